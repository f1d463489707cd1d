package salesforce

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
)

type rowErrorCase struct {
	text  string
	class record.Class
}

// rowErrors is what Salesforce writes into sf__Error, a line for each code that is known and for each of its causes where it has several.
var rowErrors = []rowErrorCase{
	{"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 001000000000001AAA:--", record.ClassContention},
	{"UNABLE_TO_LOCK_RECORD:unable to obtain exclusive access to this record:--", record.ClassContention},
	{"RECORD_LOCKED:record is locked:--", record.ClassContention},
	{"TooManyLockFailure : Too many lock failure 200 Trying again later.", record.ClassContention},
	{"Too many lock failure 200 Trying again later.", record.ClassContention},
	{"the batch met a TooManyLockFailure", record.ClassContention},

	{"RECORD_IN_USE_BY_WORKFLOW:record is in use by workflow:--", record.ClassTransient},
	{"COLLISION_DETECTED:the record was changed by another user:--", record.ClassTransient},
	{"CONFLICT:the record was changed by another request:--", record.ClassTransient},
	{"OPERATION_CONFLICT:another operation is working on this record:--", record.ClassTransient},
	{"TERRITORY_REALIGN_IN_PROGRESS:territories are being realigned:--", record.ClassTransient},
	{"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE:changes are not allowed while maintenance is performed:--", record.ClassTransient},
	{"SERVER_UNAVAILABLE:server temporarily unavailable:--", record.ClassTransient},
	{"SERVICE_UNAVAILABLE:service temporarily unavailable:--", record.ClassTransient},
	{"BAD_GATEWAY:bad gateway:--", record.ClassTransient},
	{"INTERNAL_ERROR:internal error:--", record.ClassTransient},
	{"INTERNAL_SERVER_ERROR:internal server error:--", record.ClassTransient},
	{"UNKNOWN_EXCEPTION:An unexpected error occurred. Please include this ErrorId if you contact support: 1-2 (3):--", record.ClassTransient},
	{"QUERY_TIMEOUT:Your query request was running for too long.:--", record.ClassTransient},
	{"REQUEST_RUNNING_TOO_LONG:Your request was running for too long, and has been stopped.:--", record.ClassTransient},
	{"TOO_MANY_APEX_REQUESTS:too many concurrent Apex requests:--", record.ClassTransient},
	{"DATACLOUDADDRESS_SERVER_ERROR:the address service did not answer:--", record.ClassTransient},
	{"MATCH_SERVICE_TIMED_OUT:the match service timed out:--", record.ClassTransient},
	{"MATCH_SERVICE_UNAVAILABLE_ERROR:the match service is unavailable:--", record.ClassTransient},
	{"PLATFORM_EVENT_PUBLISHING_UNAVAILABLE:platform events cannot be published:--", record.ClassTransient},
	{"PLATFORM_EVENT_PUBLISH_FAILED:the platform event was not published:--", record.ClassTransient},
	{"PROCESSING_HALTED:The request was halted before this record:--", record.ClassTransient},
	{"FAILED_DUE_TO_OTHER_INPUTS:other inputs failed:--", record.ClassTransient},
	{"ALL_OR_NONE_OPERATION_ROLLED_BACK:Record rolled back because not all records were valid and the request was using AllOrNone header:--", record.ClassTransient},
	{"ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE:the record was modified:--", record.ClassTransient},

	{"STORAGE_LIMIT_EXCEEDED:storage limit exceeded:--", record.ClassQuota},
	{"REQUEST_LIMIT_EXCEEDED:TotalRequests Limit exceeded.:--", record.ClassQuota},
	{"REQUEST_LIMIT_EXCEEDED:ConcurrentPerOrgLongTxn Limit exceeded.:--", record.ClassTransient},
	{"LIMIT_EXCEEDED:limit exceeded:--", record.ClassQuota},
	{"MAX_LIMIT_EXCEEDED:maximum exceeded:--", record.ClassQuota},
	{"API_TASK_LIMIT_REACHED:too many tasks:--", record.ClassQuota},
	{"TOO_MANY_JOBS:too many jobs:--", record.ClassQuota},
	{"DATA_TRANSFER_RECORD_LIMIT_EXCEEDED:too many records:--", record.ClassQuota},
	{"FILE_SIZE_LIMIT_EXCEEDED:file size limit exceeded:Body --", record.ClassData},
	{"LICENSE_LIMIT_EXCEEDED:License Limit Exceeded:--", record.ClassQuota},
	{"SINGLE_EMAIL_LIMIT_EXCEEDED:SendEmail: email limit exceeded:--", record.ClassQuota},
	{"MASS_MAIL_LIMIT_EXCEEDED:mass mail limit exceeded:--", record.ClassQuota},

	{"REQUIRED_FIELD_MISSING:Required fields are missing: [Name, Phone]:Name,Phone --", record.ClassData},
	{"REQUIRED_FIELD_MISSING:Erforderliche Felder fehlen: [Name]:Name --", record.ClassData},
	{"FIELD_CUSTOM_VALIDATION_EXCEPTION:Hinweis: der Betrag ist zu hoch.\nBitte prüfen: siehe Handbuch:--", record.ClassData},
	{"FIELD_CUSTOM_VALIDATION_EXCEPTION:Close date must be in the future:CloseDate --", record.ClassData},
	{"FIELD_INTEGRITY_EXCEPTION:Salesforce Id is not valid for this field: AccountId:AccountId --", record.ClassData},
	{"FIELD_FILTER_VALIDATION_EXCEPTION:Value does not exist or does not match filter criteria.:AccountId --", record.ClassData},
	{"INVALID_EMAIL_ADDRESS:Email: invalid email address: x:Email --", record.ClassData},
	{"STRING_TOO_LONG:Account Name: data value too large: aaaa (max length=80):Name --", record.ClassData},
	{"INVALID_TYPE_ON_FIELD_IN_RECORD:Amount: value not of required type: x:Amount --", record.ClassData},
	{"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:Stage: bad value for restricted picklist field: Nowhere:StageName --", record.ClassData},
	{"NUMBER_OUTSIDE_VALID_RANGE:Amount: value outside of valid range on numeric field: 1e30:Amount --", record.ClassData},
	{"DATE_OUT_OF_RANGE:date out of range:CloseDate --", record.ClassData},
	{"INVALID_FIELD:Failed to deserialize field at col 3. Due to, 'x' is not a valid value for the type xsd:date:CloseDate --", record.ClassData},
	{"INVALID_FIELD:Failed to deserialize field at col 3. Due to, 'No such column' is not a valid value:--", record.ClassData},
	{"INVALID_FIELD:Foreign key external ID: c9 not found for field Ext__c in entity Account:--", record.ClassReference},
	{"INVALID_FIELD:No such column 'Foo__c' on entity 'Account'. If you are attempting to use a custom field, append '__c'.:--", record.ClassPermission},
	{"INVALID_FIELD:something else:--", record.ClassData},
	{"INVALID_FIELD_FOR_INSERT_UPDATE:Unable to create/update fields: A__c. Please check the security settings of this field and verify that it is read/write for your profile or permission set.:A__c --", record.ClassPermission},
	{"INVALID_FIELD_FOR_INSERT_UPDATE:Attempting to update (as part of an upsert) parent field AccountId with new value 001, current value 002:--", record.ClassData},
	{"INVALID_STATUS:invalid status:Status --", record.ClassData},
	{"INVALID_RECORD_TYPE:invalid record type:RecordTypeId --", record.ClassData},
	{"INVALID_CURRENCY_ISO:invalid currency:CurrencyIsoCode --", record.ClassData},
	{"INVALID_QUERY_VALUE:invalid value:--", record.ClassData},
	{"INVALID_INPUT:invalid input:--", record.ClassData},
	{"INVALID_ARGUMENT_TYPE:invalid argument:--", record.ClassData},
	{"INPUTPARAM_INCOMPATIBLE_DATATYPE:incompatible type:--", record.ClassData},
	{"INVALID_ID_FIELD:invalid id:Id --", record.ClassData},
	{"MALFORMED_ID:bad id 123:Id --", record.ClassData},
	{"MALFORMED_ID:Account ID: id value of incorrect type: 003000000000001AAA:AccountId --", record.ClassData},
	{"MISSING_ARGUMENT:Id not specified in an update call:--", record.ClassData},
	{"MISSING_ARGUMENT:Ext__c not specified:--", record.ClassData},
	{"TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET:unsupported characters:Name --", record.ClassData},
	{"INVALID_MARKUP:invalid markup:Body --", record.ClassData},
	{"UNSAFE_HTML_CONTENT:unsafe html:Body --", record.ClassData},
	{"UNSPECIFIED_EMAIL_ADDRESS:no address:Email --", record.ClassData},
	{"EMAIL_ADDRESS_BOUNCED:the address has bounced:Email --", record.ClassData},
	{"BAD_CUSTOM_ENTITY_PARENT_DOMAIN:The parent cannot be changed:--", record.ClassData},
	{"CANNOT_REPARENT_RECORD:cannot reparent record:--", record.ClassData},
	{"CANNOT_UPDATE_CONVERTED_LEAD:cannot reference converted lead:--", record.ClassData},
	{"INVALID_CROSS_REFERENCE_TYPE_FOR_FIELD:the id is of another type:AccountId --", record.ClassData},
	{"IMAGE_TOO_LARGE:image too large:--", record.ClassData},
	{"MAXIMUM_SIZE_OF_ATTACHMENT:attachment too large:--", record.ClassData},
	{"MAXIMUM_SIZE_OF_DOCUMENT:document too large:--", record.ClassData},

	{"DUPLICATE_VALUE:duplicate value found: Ext__c duplicates value on record with id: 001000000000001:--", record.ClassDuplicate},
	{"DUPLICATE_VALUE:duplicate value found: <unknown> duplicates value on record with id: <unknown>:--", record.ClassDuplicate},
	{"DUPLICATE_VALUE:Duplicate external id specified: 123:Ext__c --", record.ClassDuplicate},
	{"DUPLICATE_EXTERNAL_ID:Number: more than one record found for external id field: [001000000000001AAA, 001000000000002AAA]:Ext__c --", record.ClassDuplicate},
	{"DUPLICATES_DETECTED:Use one of these records?:--", record.ClassDuplicate},
	{"DUPLICATE_USERNAME:Duplicate Username:Username --", record.ClassDuplicate},
	{"DUPLICATE_COMM_NICKNAME:Duplicate Nickname:CommunityNickname --", record.ClassDuplicate},
	{"DUPLICATE_DEVELOPER_NAME:duplicate name:DeveloperName --", record.ClassDuplicate},
	{"DUPLICATE_MASTER_LABEL:duplicate label:MasterLabel --", record.ClassDuplicate},

	{"INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--", record.ClassReference},
	{"ENTITY_IS_DELETED:entity is deleted:--", record.ClassReference},
	{"ENTITY_IS_ARCHIVED:entity is archived:--", record.ClassReference},
	{"NOT_FOUND:the record was not found:--", record.ClassReference},
	{"ITEM_NOT_FOUND:the item was not found:--", record.ClassReference},
	{"MISSING_RECORD:missing record:--", record.ClassReference},
	{"RECORD_NOT_FOUND:record not found:--", record.ClassReference},
	{"DELETE_FAILED:Your attempt to delete the record could not be completed because it is associated with others:--", record.ClassReference},
	{"DELETE_REQUIRED_ON_CASCADE:delete access is needed on children:--", record.ClassReference},
	{"DEPENDENCY_EXISTS:other records depend on it:--", record.ClassReference},
	{"INVALID_ASSIGNMENT_RULE:invalid assignment rule:--", record.ClassReference},
	{"INACTIVE_OWNER_OR_USER:operation performed with inactive user [005000000000001] as owner of account:OwnerId --", record.ClassReference},
	{"INVALID_OWNER:invalid owner:OwnerId --", record.ClassReference},
	{"STANDARD_PRICE_NOT_DEFINED:Before creating a custom price, create a standard price.:--", record.ClassReference},

	{"ENTITY_IS_LOCKED:the entity is locked for editing:--", record.ClassPermission},
	{"TXN_SECURITY_NO_ACCESS:The operation was not allowed by a security policy:--", record.ClassPermission},
	{"TXN_SECURITY_METERING_ERROR:the security policy could not be checked:--", record.ClassPermission},
	{"INSUFFICIENT_ACCESS:insufficient access:--", record.ClassPermission},
	{"INSUFFICIENT_ACCESS_OR_READONLY:insufficient access rights on object id:--", record.ClassPermission},
	{"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY:insufficient access rights on cross-reference id: 001000000000001:--", record.ClassPermission},
	{"TRANSFER_REQUIRES_READ:The new owner must have read permission:OwnerId --", record.ClassPermission},
	{"FUNCTIONALITY_NOT_ENABLED:functionality not enabled:--", record.ClassPermission},
	{"REQUIRED_FEATURE_MISSING:required feature missing:--", record.ClassPermission},
	{"INVALID_TYPE:sObject type 'Thing__c' is not supported.:--", record.ClassPermission},
	{"INVALID_TYPE_FOR_OPERATION:the type does not support this operation:--", record.ClassPermission},
	{"OP_WITH_INVALID_USER_TYPE_EXCEPTION:users of this type may not do this:--", record.ClassPermission},
	{"INVALID_READ_ONLY_USER_DML:a read-only user may not write:--", record.ClassPermission},
	{"APEX_DATA_ACCESS_RESTRICTION:access is restricted:--", record.ClassPermission},
	{"FIELD_NOT_UPDATABLE:field not updatable:Name --", record.ClassPermission},
	{"DELETE_NOT_ALLOWED:delete not allowed:--", record.ClassPermission},
	{"INVALID_OPERATION:invalid operation:--", record.ClassPermission},
	{"INVALID_BATCH_OPERATION:invalid batch operation:--", record.ClassPermission},

	{"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Tr: execution of BeforeInsert\n\ncaused by: System.DmlException: Update failed. First exception on row 0; first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record: []:--", record.ClassContention},
	{"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Tr: execution of BeforeInsert caused by: System.QueryException: QUERY_TIMEOUT:--", record.ClassTransient},
	{"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Tr: execution of AfterUpdate caused by: System.LimitException: Too many SOQL queries: 101:--", record.ClassCode},
	{"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Tr: Apex CPU time limit exceeded:--", record.ClassCode},
	{"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Too many retries of batch save in the presence of Apex triggers with failures: 3. Number of retries: 2:--", record.ClassTransient},
	{"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Tr: execution of BeforeInsert caused by: no:--", record.ClassCode},
	{"CANNOT_EXECUTE_FLOW_TRIGGER:We can't save this record because the “Price” process failed. UNABLE_TO_LOCK_ROW:--", record.ClassContention},
	{"CANNOT_EXECUTE_FLOW_TRIGGER:We can't save this record because the “Price” process failed. QUERY_TIMEOUT:--", record.ClassTransient},
	{"CANNOT_EXECUTE_FLOW_TRIGGER:Too many retries of batch save in the presence of Apex triggers with failures:--", record.ClassTransient},
	{"CANNOT_EXECUTE_FLOW_TRIGGER:We can't save this record because the “Price” process failed.:--", record.ClassCode},
	{"FLOW_EXCEPTION:a flow failed:--", record.ClassCode},
	{"APEX_FAILED:apex failed:--", record.ClassCode},
	{"CUSTOM_APEX_ERROR:custom error:--", record.ClassCode},
	{"APEX_ERROR", record.ClassCode},
	{"APEX_ERROR:System.DmlException UNABLE_TO_LOCK_ROW:--", record.ClassContention},
	{"MAX_DEPTH_IN_FLOW_EXECUTION:flows call each other too deep:--", record.ClassCode},
	{"CIRCULAR_DEPENDENCY:the records point at each other:ParentId --", record.ClassCode},
	{"SELF_REFERENCE_FROM_TRIGGER:Object (id = 001000000000001) is currently in trigger Tr, therefore it cannot recursively update itself:--", record.ClassCode},
	{"SELF_REFERENCE_FROM_FLOW:the flow updates its own record:--", record.ClassCode},
	{"MIXED_DML_OPERATION:DML operation on setup object is not permitted after you have updated a non-setup object (or vice versa): User:--", record.ClassCode},

	{"INVALID_SESSION_ID:Session expired or invalid:--", record.ClassAuth},
	{"SESSION_EXPIRED:session expired:--", record.ClassAuth},

	{"BRAND_NEW_CODE:what is this:--", record.ClassUnclassified},
	{"BRAND_NEW_CODE:UNABLE_TO_LOCK_ROW:--", record.ClassContention},
	{"something went wrong", record.ClassUnclassified},
	{"", record.ClassUnclassified},
	{"REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --;DUPLICATE_VALUE:duplicate value found:--", record.ClassData},
}

func TestRowErrors(t *testing.T) {
	for _, c := range rowErrors {
		t.Run(c.text, func(t *testing.T) {
			rule := BuiltInClasses().Lookup(ParseRowError(c.text))
			if rule.Class != c.class || rule.Remedy == "" || rule.Own {
				t.Errorf("got %+v, want class %s", rule, c.class)
			}
		})
	}
	t.Run("every rule that comes with the client stands here with a text that it decides", func(t *testing.T) {
		used := map[string]bool{}
		for _, c := range rowErrors {
			used[BuiltInClasses().Lookup(ParseRowError(c.text)).About()] = true
		}
		for _, rule := range BuiltInClasses().Rules() {
			if !used[rule.About()] {
				t.Errorf("%s: no text here meets it", rule.About())
			}
		}
	})
	t.Run("only UNKNOWN_EXCEPTION has a bound of its own", func(t *testing.T) {
		for _, rule := range BuiltInClasses().Rules() {
			if want := map[string]int{"UNKNOWN_EXCEPTION": 3}[rule.Code]; rule.Tries != want {
				t.Errorf("%s: %d tries, want %d", rule.About(), rule.Tries, want)
			}
		}
	})
	t.Run("the records that stand in the way are named by their long ids", func(t *testing.T) {
		for text, want := range map[string][]string{
			"DUPLICATE_VALUE:duplicate value found: Ext__c duplicates value on record with id: 001000000000001:--":                            {"001000000000001AAA"},
			"DUPLICATE_VALUE:duplicate value found: <unknown> duplicates value on record with id: <unknown>:--":                               nil,
			"DUPLICATE_VALUE:Duplicate external id specified: 123:Ext__c --":                                                                  nil,
			"DUPLICATE_EXTERNAL_ID:Number: more than one record found for external id field: [001000000000001AAA, 001000000000002]:Ext__c --": {"001000000000001AAA", "001000000000002AAA"},
			"FIELD_CUSTOM_VALIDATION_EXCEPTION:the record with id: 001000000000001 is older:--":                                               nil,
		} {
			if got := ParseRowError(text).ExistingIDs(); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", text, got, want)
			}
		}
	})
}

func TestOwnClasses(t *testing.T) {
	own := []record.ClassRule{
		{Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Contains: "being recalculated", Class: record.ClassTransient, Tries: 4, Remedy: "wait for the nightly run"},
		{Code: "HOUSE_RULE", Class: record.ClassCode},
		{Prefix: "Blocked by the firewall", Class: record.ClassQuota},
		{Code: record.NoCode, Class: record.ClassCode},
		{Code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", Class: record.ClassData},
		{Contains: "exclusive access", Class: record.ClassData},
	}
	table, err := NewClassTable(own)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		class      record.Class
		tries      int
		own        bool
	}{
		{"a rule about a code and a text decides what it is about", "FIELD_CUSTOM_VALIDATION_EXCEPTION:Prices are being recalculated:--", record.ClassTransient, 4, true},
		{"another text of that code stays what it was", "FIELD_CUSTOM_VALIDATION_EXCEPTION:no sales on a Sunday:--", record.ClassData, 0, false},
		{"a code of the house has its class", "HOUSE_RULE:x:--", record.ClassCode, 0, true},
		{"a rule about any code decides known ones", "INVALID_INPUT:Blocked by the firewall:--", record.ClassQuota, 0, true},
		{"a rule about any code decides unknown ones", "NEVER_HEARD:Blocked by the firewall:--", record.ClassQuota, 0, true},
		{"a rule about any code decides texts without one", "Blocked by the firewall", record.ClassQuota, 0, true},
		{"the order of the rules counts", "HOUSE_RULE:Blocked by the firewall:--", record.ClassCode, 0, true},
		{"a rule about texts without a code decides them", "went wrong", record.ClassCode, 0, true},
		{"a rule about a code decides all its texts", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Too many retries of batch save:--", record.ClassData, 0, true},
		{"but a lock stays contention", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:T: UNABLE_TO_LOCK_ROW:--", record.ClassContention, 0, false},
		{"so it does under its own code, whatever a rule says of its text", "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--", record.ClassContention, 0, false},
		{"what no rule is about stays what it was", "STRING_TOO_LONG:x:--", record.ClassData, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if rule := table.Lookup(ParseRowError(c.text)); rule.Class != c.class || rule.Tries != c.tries || rule.Own != c.own || rule.Remedy == "" {
				t.Errorf("%+v", rule)
			}
		})
	}
	t.Run("the version tells whose rules they are, and changes with them", func(t *testing.T) {
		other, err := NewClassTable(own[:4])
		if err != nil {
			t.Fatal(err)
		}
		plain, err := NewClassTable(nil)
		if err != nil {
			t.Fatal(err)
		}
		if plain.Version() != "1" || plain.Own() != 0 || table.Own() != 6 || !strings.HasPrefix(table.Version(), "1+") || table.Version() == other.Version() {
			t.Errorf("%s, %s, %s", plain.Version(), table.Version(), other.Version())
		}
	})
	t.Run("no table at all is the one that comes with the client", func(t *testing.T) {
		var none *ClassTable
		if none.Version() != "1" || none.Own() != 0 || len(none.Rules()) == 0 || none.Lookup(RowError{Code: "STRING_TOO_LONG"}).Class != record.ClassData {
			t.Error(none.Version())
		}
	})
	t.Run("rules that say nothing are refused together, each with its number", func(t *testing.T) {
		_, err := NewClassTable([]record.ClassRule{{Code: "A_B", Class: "odd"}, own[1], {Code: "HOUSE_RULE", Contains: "x", Class: record.ClassData}})
		if err == nil || !strings.Contains(err.Error(), "class rule 1: class \"odd\"") || !strings.Contains(err.Error(), "class rule 3 never matches: rule 2") {
			t.Errorf("%v", err)
		}
	})
	t.Run("the first rule in the order of the list that matches is the one that counts", rapid.MakeCheck(func(t *rapid.T) {
		codes, texts := []string{"", "A_A", "B_B", record.NoCode}, []string{"", "x", "xy", "z"}
		var rules []record.ClassRule
		for range rapid.IntRange(0, 6).Draw(t, "rules") {
			r := record.ClassRule{Code: rapid.SampledFrom(codes).Draw(t, "code"), Class: rapid.SampledFrom(record.Classes()).Draw(t, "class")}
			if text := rapid.SampledFrom(texts).Draw(t, "text"); rapid.Bool().Draw(t, "prefix") {
				r.Prefix = text
			} else {
				r.Contains = text
			}
			if r.Problem() == "" && !slices.ContainsFunc(rules, func(e record.ClassRule) bool { return e.Hides(r) }) {
				rules = append(rules, r)
			}
		}
		table, err := NewClassTable(rules)
		if err != nil {
			t.Fatal(err)
		}
		e := RowError{Code: rapid.SampledFrom([]string{"", "A_A", "B_B", "C_C"}).Draw(t, "its code"), Message: rapid.StringMatching(`[xyz]{0,4}`).Draw(t, "its text")}
		want := record.ClassUnclassified
		if i := slices.IndexFunc(rules, func(r record.ClassRule) bool { return r.Matches(e.Code, e.Message) }); i >= 0 {
			want = rules[i].Class
		}
		if got := table.Lookup(e); got.Class != want {
			t.Fatalf("%+v: %s, want %s by %+v", e, got.Class, want, rules)
		}
	}))
}

func TestParseClassFile(t *testing.T) {
	remedies := "version: 1\nremedies: {transient: a, contention: a, quota: a, data: a, duplicate: a, reference: a, permission: a, code: a, auth: a, unclassified: a}\nrules:\n"
	for _, c := range []struct{ name, text, problem string }{
		{"an unknown member", remedies + "  - {codes: [A_B], class: data, colour: red}\n", "unknown field"},
		{"a class that is none", remedies + "  - {codes: [A_B], class: odd}\n", "not one of"},
		{"a rule without a code", remedies + "  - {class: data}\n", "names no code"},
		{"a rule behind one that catches all", remedies + "  - {codes: [A_B], class: data}\n  - {codes: [A_B], contains: x, class: code}\n", "never matches"},
		{"a code whose last rule asks for a text", remedies + "  - {codes: [A_B], contains: x, class: data}\n", "every message"},
		{"no version", strings.Replace(remedies, "1", "0", 1) + "  - {codes: [A_B], class: data}\n", "counts from 1"},
		{"a class without a remedy", strings.Replace(remedies, "data: a, ", "", 1) + "  - {codes: [A_B], class: data}\n", "class data has no remedy"},
		{"a remedy for no class", strings.Replace(remedies, "data: a,", "data: a, odd: a,", 1) + "  - {codes: [A_B], class: data}\n", `"odd" is no class`},
		{"tries of a class that is not sent again", remedies + "  - {codes: [A_B], class: data, tries: 3}\n", "tries says nothing"},
	} {
		t.Run(c.name+" is refused", func(t *testing.T) {
			if _, err := parseClassFile([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%v", err)
			}
		})
	}
}

func FuzzLookup(f *testing.F) {
	for _, c := range rowErrors {
		f.Add(c.text, "HOUSE_RULE", "x")
	}
	f.Fuzz(func(t *testing.T, text, code, contains string) {
		e := ParseRowError(text)
		if rule := BuiltInClasses().Lookup(e); !rule.Class.Known() || rule.Remedy == "" {
			t.Fatalf("%q: %+v", text, rule)
		}
		table, err := NewClassTable([]record.ClassRule{{Code: code, Contains: contains, Class: record.ClassCode}})
		if err != nil {
			return
		}
		rule := table.Lookup(e)
		if rule.Own && (code != "" && code != record.NoCode && code != e.Code || !strings.Contains(e.Message, contains)) {
			t.Fatalf("%q is decided by a rule about %q and %q", text, code, contains)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	text := "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"
	b.ReportAllocs()
	for b.Loop() {
		if BuiltInClasses().Lookup(ParseRowError(text)).Class != record.ClassData {
			b.Fatal("not data")
		}
	}
}
