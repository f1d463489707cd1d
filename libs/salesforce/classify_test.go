package salesforce

import (
	"strings"
	"testing"

	"bulkhead/libs/record"
)

// Every code of the fact sheet's catalogue, by class. Where a code stands for several causes, its texts are tested below.
var catalogue = map[record.Class]string{
	record.ClassContention: `UNABLE_TO_LOCK_ROW UNABLE_TO_LOCK_RECORD RECORD_LOCKED TooManyLockFailure`,
	record.ClassTransient: `RECORD_IN_USE_BY_WORKFLOW COLLISION_DETECTED CONFLICT OPERATION_CONFLICT TERRITORY_REALIGN_IN_PROGRESS
		INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE SERVER_UNAVAILABLE SERVICE_UNAVAILABLE BAD_GATEWAY INTERNAL_ERROR
		INTERNAL_SERVER_ERROR UNKNOWN_EXCEPTION QUERY_TIMEOUT REQUEST_RUNNING_TOO_LONG TOO_MANY_APEX_REQUESTS DATACLOUDADDRESS_SERVER_ERROR
		MATCH_SERVICE_TIMED_OUT MATCH_SERVICE_UNAVAILABLE_ERROR PLATFORM_EVENT_PUBLISHING_UNAVAILABLE PLATFORM_EVENT_PUBLISH_FAILED
		PROCESSING_HALTED FAILED_DUE_TO_OTHER_INPUTS ALL_OR_NONE_OPERATION_ROLLED_BACK ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE`,
	record.ClassQuota: `STORAGE_LIMIT_EXCEEDED REQUEST_LIMIT_EXCEEDED LIMIT_EXCEEDED MAX_LIMIT_EXCEEDED API_TASK_LIMIT_REACHED TOO_MANY_JOBS
		DATA_TRANSFER_RECORD_LIMIT_EXCEEDED LICENSE_LIMIT_EXCEEDED SINGLE_EMAIL_LIMIT_EXCEEDED MASS_MAIL_LIMIT_EXCEEDED`,
	record.ClassData: `FILE_SIZE_LIMIT_EXCEEDED REQUIRED_FIELD_MISSING FIELD_CUSTOM_VALIDATION_EXCEPTION FIELD_INTEGRITY_EXCEPTION
		FIELD_FILTER_VALIDATION_EXCEPTION INVALID_EMAIL_ADDRESS STRING_TOO_LONG INVALID_TYPE_ON_FIELD_IN_RECORD
		INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST NUMBER_OUTSIDE_VALID_RANGE DATE_OUT_OF_RANGE INVALID_FIELD INVALID_STATUS INVALID_RECORD_TYPE
		INVALID_CURRENCY_ISO INVALID_QUERY_VALUE INVALID_INPUT INVALID_ARGUMENT_TYPE INPUTPARAM_INCOMPATIBLE_DATATYPE INVALID_ID_FIELD
		MALFORMED_ID MISSING_ARGUMENT TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET INVALID_MARKUP UNSAFE_HTML_CONTENT UNSPECIFIED_EMAIL_ADDRESS
		EMAIL_ADDRESS_BOUNCED BAD_CUSTOM_ENTITY_PARENT_DOMAIN CANNOT_REPARENT_RECORD CANNOT_UPDATE_CONVERTED_LEAD
		INVALID_CROSS_REFERENCE_TYPE_FOR_FIELD IMAGE_TOO_LARGE MAXIMUM_SIZE_OF_ATTACHMENT MAXIMUM_SIZE_OF_DOCUMENT`,
	record.ClassDuplicate: `DUPLICATE_VALUE DUPLICATE_EXTERNAL_ID DUPLICATES_DETECTED DUPLICATE_USERNAME DUPLICATE_COMM_NICKNAME
		DUPLICATE_DEVELOPER_NAME DUPLICATE_MASTER_LABEL`,
	record.ClassReference: `INVALID_CROSS_REFERENCE_KEY ENTITY_IS_DELETED ENTITY_IS_ARCHIVED NOT_FOUND ITEM_NOT_FOUND MISSING_RECORD
		RECORD_NOT_FOUND DELETE_FAILED DELETE_REQUIRED_ON_CASCADE DEPENDENCY_EXISTS INVALID_ASSIGNMENT_RULE INACTIVE_OWNER_OR_USER
		INVALID_OWNER STANDARD_PRICE_NOT_DEFINED`,
	record.ClassPermission: `ENTITY_IS_LOCKED TXN_SECURITY_NO_ACCESS TXN_SECURITY_METERING_ERROR INVALID_FIELD_FOR_INSERT_UPDATE
		INSUFFICIENT_ACCESS INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY TRANSFER_REQUIRES_READ
		FUNCTIONALITY_NOT_ENABLED REQUIRED_FEATURE_MISSING INVALID_TYPE INVALID_TYPE_FOR_OPERATION OP_WITH_INVALID_USER_TYPE_EXCEPTION
		INVALID_READ_ONLY_USER_DML APEX_DATA_ACCESS_RESTRICTION FIELD_NOT_UPDATABLE DELETE_NOT_ALLOWED INVALID_OPERATION
		INVALID_BATCH_OPERATION`,
	record.ClassCode: `CIRCULAR_DEPENDENCY SELF_REFERENCE_FROM_TRIGGER SELF_REFERENCE_FROM_FLOW MIXED_DML_OPERATION
		CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY CANNOT_EXECUTE_FLOW_TRIGGER FLOW_EXCEPTION APEX_FAILED CUSTOM_APEX_ERROR APEX_ERROR
		MAX_DEPTH_IN_FLOW_EXECUTION`,
	record.ClassAuth: `INVALID_SESSION_ID SESSION_EXPIRED`,
}

func TestEveryCodeOfTheCatalogueHasItsClass(t *testing.T) {
	listed := map[string]bool{}
	for class, codes := range catalogue {
		for code := range strings.FieldsSeq(codes) {
			if listed[code] {
				t.Errorf("%s is listed twice", code)
			}
			listed[code] = true
			if got := Classify(ParseRowError(code + ":some text:Name --")); got != class {
				t.Errorf("%s is %s, want %s", code, got, class)
			}
		}
	}
	for code := range rowClasses {
		if !listed[code] {
			t.Errorf("%s is classified, but not in this test's catalogue", code)
		}
	}
}

func TestTheTextDecidesWhereACodeHasSeveralCauses(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       record.Class
	}{
		{"a parent that is not there is a missing reference", "INVALID_FIELD:Foreign key external ID: c9 not found for field Ext__c in entity Account:--", record.ClassReference},
		{"a value that cannot be read is bad data", "INVALID_FIELD:Failed to deserialize field at col 3. Due to, 'x' is not a valid value for the type xsd:date:CloseDate --", record.ClassData},
		{"a bad value that repeats another error's text stays bad data", "INVALID_FIELD:Failed to deserialize field at col 3. Due to, 'No such column' is not a valid value:--", record.ClassData},
		{"a column that the org does not have is configuration", "INVALID_FIELD:No such column 'Foo__c' on entity 'Account':--", record.ClassPermission},
		{"fields without a right are a missing permission", "INVALID_FIELD_FOR_INSERT_UPDATE:Unable to create/update fields: A__c. Please check the security settings of this field and verify that it is read/write for your profile or permission set.:A__c --", record.ClassPermission},
		{"moving to another parent is bad data", "INVALID_FIELD_FOR_INSERT_UPDATE:Attempting to update (as part of an upsert) parent field AccountId:--", record.ClassData},
		{"the daily limit is quota", "REQUEST_LIMIT_EXCEEDED:TotalRequests Limit exceeded.:--", record.ClassQuota},
		{"a concurrency limit passes", "REQUEST_LIMIT_EXCEEDED:ConcurrentPerOrgLongTxn Limit exceeded.:--", record.ClassTransient},
		{"a lock inside a trigger is contention", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:T: execution of BeforeInsert\n\ncaused by: System.DmlException: Update failed. First exception on row 0; first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record: []:--", record.ClassContention},
		{"a lock inside a flow is contention", "CANNOT_EXECUTE_FLOW_TRIGGER:We can't save this record because the process failed. UNABLE_TO_LOCK_ROW:--", record.ClassContention},
		{"a lock that an Apex class reports is contention", "APEX_ERROR:System.DmlException UNABLE_TO_LOCK_ROW:--", record.ClassContention},
		{"a lock under an unknown code is contention", "BRAND_NEW_CODE:UNABLE_TO_LOCK_ROW:--", record.ClassContention},
		{"a query timeout inside a trigger passes", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:T: caused by: System.QueryException: QUERY_TIMEOUT:--", record.ClassTransient},
		{"an innocent row of a failed batch is sent again", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Too many retries of batch save in the presence of Apex triggers with failures: 3. Number of retries: 2:--", record.ClassTransient},
		{"an Apex limit is the org's code", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:T: System.LimitException: Too many SOQL queries: 101:--", record.ClassCode},
		{"a trigger's veto is the org's code", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:T: execution of BeforeInsert caused by: no:--", record.ClassCode},
		{"too many locks are contention under their own name", "TooManyLockFailure : Too many lock failure 200 Trying again later.", record.ClassContention},
		{"too many locks are contention without a name", "Too many lock failure 200 Trying again later.", record.ClassContention},
		{"an unknown code is unclassified", "BRAND_NEW_CODE:what is this:--", record.ClassUnclassified},
		{"a text without a code is unclassified", "something went wrong", record.ClassUnclassified},
		{"a failed row without a text is unclassified", "", record.ClassUnclassified},
		{"a translated message does not matter when the code is known", "REQUIRED_FIELD_MISSING:Erforderliche Felder fehlen: [Name]:Name --", record.ClassData},
		{"the first of several errors counts", "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --;DUPLICATE_VALUE:duplicate value found:--", record.ClassData},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Classify(ParseRowError(test.text)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestOnlyUnknownExceptionHasItsOwnNumberOfTries(t *testing.T) {
	if n, ok := TriesOverride("UNKNOWN_EXCEPTION"); !ok || n != 3 {
		t.Errorf("UNKNOWN_EXCEPTION: %d, %v; want 3, true", n, ok)
	}
	for _, code := range []string{"", "UNABLE_TO_LOCK_ROW", "REQUIRED_FIELD_MISSING"} {
		if _, ok := TriesOverride(code); ok {
			t.Errorf("%q has an override, it should follow its class", code)
		}
	}
}

func TestAJobsErrorMessageIsTakenApart(t *testing.T) {
	for _, test := range []struct {
		name, text, code, message string
		class                     record.Class
		refused                   bool
	}{
		{"a column that is not there", "InvalidBatch : Field name not found : StageName_x", "InvalidBatch", "Field name not found : StageName_x", record.ClassPermission, true},
		{"a wrong line end", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF", "ClientInputError", "LineEnding is invalid on user data. Current LineEnding setting is LF", record.ClassPermission, true},
		{"too many locks", "TooManyLockFailure : Too many lock failure 200 Trying again later.", "TooManyLockFailure", "Too many lock failure 200 Trying again later.", record.ClassContention, false},
		{"a used-up quota", "ExceededQuota : ApiBatchItems Limit exceeded.", "ExceededQuota", "ApiBatchItems Limit exceeded.", record.ClassQuota, false},
		{"a fault of the platform", "InternalServerError : Max retries", "InternalServerError", "Max retries", record.ClassTransient, false},
		{"a name that is new", "SomethingNew : text", "SomethingNew", "text", record.ClassUnclassified, false},
		{"a text of no shape", "The job failed\x1b[31m", "", `The job failed\x1b[31m`, record.ClassUnclassified, false},
		{"nothing", "", "", "", record.ClassUnclassified, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ParseJobFault(test.text)
			if got.Code != test.code || got.Message != test.message || got.Class() != test.class || got.RefusedWhole() != test.refused {
				t.Errorf("got %+v %s %v", got, got.Class(), got.RefusedWhole())
			}
		})
	}
}
