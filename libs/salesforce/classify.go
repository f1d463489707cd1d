package salesforce

import (
	"strings"

	"bulkhead/libs/record"
)

// unknownExceptionTries is how often a row with UNKNOWN_EXCEPTION is tried: it may be a passing fault of the platform, but often it is
// tied to the row.
const unknownExceptionTries = 3

// rowClasses says what a refused row needs, by status code. Codes that are decided by their text stand in Classify. The list is open: Salesforce knows
// some six hundred codes, and what is not here is unclassified.
var rowClasses = map[string]record.Class{
	// Another writer held a lock.
	"UNABLE_TO_LOCK_ROW":    record.ClassContention,
	"UNABLE_TO_LOCK_RECORD": record.ClassContention,
	"RECORD_LOCKED":         record.ClassContention,
	tooManyLockFailure:      record.ClassContention,

	// Passing states of the org or the platform, and rows that fell with others.
	"RECORD_IN_USE_BY_WORKFLOW":     record.ClassTransient,
	"COLLISION_DETECTED":            record.ClassTransient,
	"CONFLICT":                      record.ClassTransient,
	"OPERATION_CONFLICT":            record.ClassTransient,
	"TERRITORY_REALIGN_IN_PROGRESS": record.ClassTransient,
	"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE": record.ClassTransient,
	"SERVER_UNAVAILABLE":                     record.ClassTransient,
	"SERVICE_UNAVAILABLE":                    record.ClassTransient,
	"BAD_GATEWAY":                            record.ClassTransient,
	"INTERNAL_ERROR":                         record.ClassTransient,
	"INTERNAL_SERVER_ERROR":                  record.ClassTransient,
	"UNKNOWN_EXCEPTION":                      record.ClassTransient, // see TriesOverride
	"QUERY_TIMEOUT":                          record.ClassTransient,
	"REQUEST_RUNNING_TOO_LONG":               record.ClassTransient,
	"TOO_MANY_APEX_REQUESTS":                 record.ClassTransient,
	"DATACLOUDADDRESS_SERVER_ERROR":          record.ClassTransient,
	"MATCH_SERVICE_TIMED_OUT":                record.ClassTransient,
	"MATCH_SERVICE_UNAVAILABLE_ERROR":        record.ClassTransient,
	"PLATFORM_EVENT_PUBLISHING_UNAVAILABLE":  record.ClassTransient,
	"PLATFORM_EVENT_PUBLISH_FAILED":          record.ClassTransient,
	"PROCESSING_HALTED":                      record.ClassTransient,
	"FAILED_DUE_TO_OTHER_INPUTS":             record.ClassTransient,
	"ALL_OR_NONE_OPERATION_ROLLED_BACK":      record.ClassTransient,
	"ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE": record.ClassTransient,

	// A limit of the org is used up.
	"STORAGE_LIMIT_EXCEEDED":              record.ClassQuota,
	"LIMIT_EXCEEDED":                      record.ClassQuota,
	"MAX_LIMIT_EXCEEDED":                  record.ClassQuota,
	"API_TASK_LIMIT_REACHED":              record.ClassQuota,
	"TOO_MANY_JOBS":                       record.ClassQuota,
	"DATA_TRANSFER_RECORD_LIMIT_EXCEEDED": record.ClassQuota,
	"LICENSE_LIMIT_EXCEEDED":              record.ClassQuota,
	"SINGLE_EMAIL_LIMIT_EXCEEDED":         record.ClassQuota,
	"MASS_MAIL_LIMIT_EXCEEDED":            record.ClassQuota,

	// The row's own values are refused.
	"FILE_SIZE_LIMIT_EXCEEDED":                record.ClassData,
	"REQUIRED_FIELD_MISSING":                  record.ClassData,
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":       record.ClassData,
	"FIELD_INTEGRITY_EXCEPTION":               record.ClassData,
	"FIELD_FILTER_VALIDATION_EXCEPTION":       record.ClassData,
	"INVALID_EMAIL_ADDRESS":                   record.ClassData,
	"STRING_TOO_LONG":                         record.ClassData,
	"INVALID_TYPE_ON_FIELD_IN_RECORD":         record.ClassData,
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": record.ClassData,
	"NUMBER_OUTSIDE_VALID_RANGE":              record.ClassData,
	"DATE_OUT_OF_RANGE":                       record.ClassData,
	"INVALID_STATUS":                          record.ClassData,
	"INVALID_RECORD_TYPE":                     record.ClassData,
	"INVALID_CURRENCY_ISO":                    record.ClassData,
	"INVALID_QUERY_VALUE":                     record.ClassData,
	"INVALID_INPUT":                           record.ClassData,
	"INVALID_ARGUMENT_TYPE":                   record.ClassData,
	"INPUTPARAM_INCOMPATIBLE_DATATYPE":        record.ClassData,
	"INVALID_ID_FIELD":                        record.ClassData,
	"MALFORMED_ID":                            record.ClassData,
	"MISSING_ARGUMENT":                        record.ClassData,
	"TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET":     record.ClassData,
	"INVALID_MARKUP":                          record.ClassData,
	"UNSAFE_HTML_CONTENT":                     record.ClassData,
	"UNSPECIFIED_EMAIL_ADDRESS":               record.ClassData,
	"EMAIL_ADDRESS_BOUNCED":                   record.ClassData,
	"BAD_CUSTOM_ENTITY_PARENT_DOMAIN":         record.ClassData,
	"CANNOT_REPARENT_RECORD":                  record.ClassData,
	"CANNOT_UPDATE_CONVERTED_LEAD":            record.ClassData,
	"INVALID_CROSS_REFERENCE_TYPE_FOR_FIELD":  record.ClassData,
	"IMAGE_TOO_LARGE":                         record.ClassData,
	"MAXIMUM_SIZE_OF_ATTACHMENT":              record.ClassData,
	"MAXIMUM_SIZE_OF_DOCUMENT":                record.ClassData,

	// Another row already holds what must be unique.
	"DUPLICATE_VALUE":          record.ClassDuplicate,
	"DUPLICATE_EXTERNAL_ID":    record.ClassDuplicate,
	"DUPLICATES_DETECTED":      record.ClassDuplicate,
	"DUPLICATE_USERNAME":       record.ClassDuplicate,
	"DUPLICATE_COMM_NICKNAME":  record.ClassDuplicate,
	"DUPLICATE_DEVELOPER_NAME": record.ClassDuplicate,
	"DUPLICATE_MASTER_LABEL":   record.ClassDuplicate,

	// What the row points at is not there, not yet or not any more.
	"INVALID_CROSS_REFERENCE_KEY": record.ClassReference,
	"ENTITY_IS_DELETED":           record.ClassReference,
	"ENTITY_IS_ARCHIVED":          record.ClassReference,
	"NOT_FOUND":                   record.ClassReference,
	"ITEM_NOT_FOUND":              record.ClassReference,
	"MISSING_RECORD":              record.ClassReference,
	"RECORD_NOT_FOUND":            record.ClassReference,
	"DELETE_FAILED":               record.ClassReference,
	"DELETE_REQUIRED_ON_CASCADE":  record.ClassReference,
	"DEPENDENCY_EXISTS":           record.ClassReference,
	"INVALID_ASSIGNMENT_RULE":     record.ClassReference,
	"INACTIVE_OWNER_OR_USER":      record.ClassReference,
	"INVALID_OWNER":               record.ClassReference,
	"STANDARD_PRICE_NOT_DEFINED":  record.ClassReference,

	// Rights or configuration of the org forbid it.
	"ENTITY_IS_LOCKED":                              record.ClassPermission, // in an approval; that lasts
	"TXN_SECURITY_NO_ACCESS":                        record.ClassPermission,
	"TXN_SECURITY_METERING_ERROR":                   record.ClassPermission,
	"INSUFFICIENT_ACCESS":                           record.ClassPermission,
	"INSUFFICIENT_ACCESS_OR_READONLY":               record.ClassPermission,
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": record.ClassPermission,
	"TRANSFER_REQUIRES_READ":                        record.ClassPermission,
	"FUNCTIONALITY_NOT_ENABLED":                     record.ClassPermission,
	"REQUIRED_FEATURE_MISSING":                      record.ClassPermission,
	"INVALID_TYPE":                                  record.ClassPermission,
	"INVALID_TYPE_FOR_OPERATION":                    record.ClassPermission,
	"OP_WITH_INVALID_USER_TYPE_EXCEPTION":           record.ClassPermission,
	"INVALID_READ_ONLY_USER_DML":                    record.ClassPermission,
	"APEX_DATA_ACCESS_RESTRICTION":                  record.ClassPermission,
	"FIELD_NOT_UPDATABLE":                           record.ClassPermission,
	"DELETE_NOT_ALLOWED":                            record.ClassPermission,
	"INVALID_OPERATION":                             record.ClassPermission,
	"INVALID_BATCH_OPERATION":                       record.ClassPermission,

	// The org's own code refused it.
	"CIRCULAR_DEPENDENCY":         record.ClassCode,
	"SELF_REFERENCE_FROM_TRIGGER": record.ClassCode,
	"SELF_REFERENCE_FROM_FLOW":    record.ClassCode,
	"MIXED_DML_OPERATION":         record.ClassCode,
	"FLOW_EXCEPTION":              record.ClassCode,
	"APEX_FAILED":                 record.ClassCode,
	"CUSTOM_APEX_ERROR":           record.ClassCode,
	"APEX_ERROR":                  record.ClassCode,
	"MAX_DEPTH_IN_FLOW_EXECUTION": record.ClassCode,

	// The session ended while rows were saved.
	"INVALID_SESSION_ID": record.ClassAuth,
	"SESSION_EXPIRED":    record.ClassAuth,
}

// Classify says what must happen next with a refused row. The code alone is not enough: some codes stand for several causes, which only
// the message tells apart, and a lock that a trigger ran into arrives under the trigger's code.
func Classify(e RowError) record.Class {
	if strings.Contains(e.Message, "UNABLE_TO_LOCK_ROW") {
		return record.ClassContention
	}
	switch e.Code {
	case "REQUEST_LIMIT_EXCEEDED":
		return requestLimitClass(e.Message)
	case "INVALID_FIELD":
		return invalidFieldClass(e.Message)
	case "INVALID_FIELD_FOR_INSERT_UPDATE":
		// "Unable to create/update fields: A. Please check the security settings" is a right that is missing; the other known text is a
		// row that would move to another parent.
		if strings.Contains(e.Message, "Attempting to update (as part of an upsert) parent field") {
			return record.ClassData
		}
		return record.ClassPermission
	case "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER":
		return innerClass(e.Message)
	}
	if class, ok := rowClasses[e.Code]; ok {
		return class
	}
	if e.Code == "" && (strings.Contains(e.Message, tooManyLockFailure) || strings.Contains(e.Message, "Too many lock failure")) {
		return record.ClassContention
	}
	return record.ClassUnclassified
}

// invalidFieldClass tells a missing parent, a column that the org does not have, and a bad value apart.
func invalidFieldClass(message string) record.Class {
	switch {
	case strings.HasPrefix(message, "Failed to deserialize"):
		return record.ClassData // first, because such a text repeats the value, which may say anything
	case strings.HasPrefix(message, "Foreign key external ID"):
		return record.ClassReference
	case strings.Contains(message, "No such column"):
		return record.ClassPermission
	}
	return record.ClassData
}

// innerClass looks for the cause inside the text of a trigger or flow that failed. "Too many retries of batch save" marks rows that
// did nothing wrong: others of their 200 failed.
func innerClass(message string) record.Class {
	if strings.Contains(message, "QUERY_TIMEOUT") || strings.Contains(message, "Too many retries of batch save") {
		return record.ClassTransient
	}
	return record.ClassCode
}

// TriesOverride is how often a row with this code is tried at most, where that differs from its class; it is then dead as unclassified.
func TriesOverride(code string) (tries int, ok bool) {
	if code == "UNKNOWN_EXCEPTION" {
		return unknownExceptionTries, true
	}
	return 0, false
}
