package salesforce

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bulkhead/libs/record"
)

// sheetRow is one row of a table of the fact sheet: its codes, and its second cell.
type sheetRow struct {
	codes  []string
	second string
}

// sheetTable reads a table of the fact sheet; nil, with a line that says so, when the sheet is not at hand and need not be.
func sheetTable(t *testing.T, heading string) []sheetRow {
	t.Helper()
	path := os.Getenv("BULKHEAD_FACT_SHEET")
	if path == "" {
		path = filepath.Join("..", "..", "..", "shared", "reference", "salesforce.md")
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("BULKHEAD_REQUIRE_TESTDATA") == "" && os.Getenv("BULKHEAD_FACT_SHEET") == "" {
		fmt.Println("left out: the comparison of error codes with the fact sheet, which is not beside this checkout (BULKHEAD_FACT_SHEET)")
		return nil
	}
	if err != nil {
		t.Fatalf("the fact sheet: %v; point BULKHEAD_FACT_SHEET at it", err)
	}
	_, section, found := strings.Cut(string(content), "\n### "+heading)
	if !found {
		t.Fatalf("the fact sheet has no section %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n### ")
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []sheetRow
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.TrimSpace(cells[1]) == "code" || strings.Contains(cells[1], "---") {
			continue
		}
		row := sheetRow{second: strings.TrimSpace(cells[2])}
		for part := range strings.FieldsFuncSeq(cells[1], func(r rune) bool { return r == ',' || r == '/' }) {
			code, _, _ := strings.Cut(strings.TrimSpace(part), " ")
			if code != "" && !strings.HasPrefix(code, "(") {
				row.codes = append(row.codes, code)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// sheetClasses are the sheet's letters in our words; where a cell has more than one, or ours are finer, the codes stand in decided.
var (
	sheetClasses = map[string]record.Class{
		"T": record.ClassTransient, "Q": record.ClassQuota, "V": record.ClassData, "D": record.ClassDuplicate, "R": record.ClassReference,
		"P": record.ClassPermission, "C": record.ClassCode, "C*": record.ClassCode, "T→U": record.ClassTransient, "auth": record.ClassAuth,
	}
	decided = map[string]record.Class{
		"UNABLE_TO_LOCK_ROW": record.ClassContention, "UNABLE_TO_LOCK_RECORD": record.ClassContention, "RECORD_LOCKED": record.ClassContention,
		tooManyLockFailure:                    record.ClassContention,
		"REQUEST_LIMIT_EXCEEDED":              record.ClassQuota,
		"DATA_TRANSFER_RECORD_LIMIT_EXCEEDED": record.ClassQuota, "FILE_SIZE_LIMIT_EXCEEDED": record.ClassData,
		"TXN_SECURITY_NO_ACCESS": record.ClassPermission, "TXN_SECURITY_METERING_ERROR": record.ClassPermission,
		"FIELD_INTEGRITY_EXCEPTION": record.ClassData, "FIELD_FILTER_VALIDATION_EXCEPTION": record.ClassData,
		"INVALID_FIELD": record.ClassData, "INVALID_FIELD_FOR_INSERT_UPDATE": record.ClassPermission,
		"INVALID_ASSIGNMENT_RULE": record.ClassReference, "INACTIVE_OWNER_OR_USER": record.ClassReference, "INVALID_OWNER": record.ClassReference,
		"INVALID_OPERATION": record.ClassPermission, "INVALID_BATCH_OPERATION": record.ClassPermission,
	}
)

func TestRowErrorsOfTheFactSheet(t *testing.T) {
	listed := map[string]bool{}
	for _, row := range sheetTable(t, "6.2") {
		for _, code := range row.codes {
			t.Run("the class of "+code+" is the sheet's", func(t *testing.T) {
				want, ok := decided[code]
				if !ok {
					if want, ok = sheetClasses[row.second]; !ok {
						t.Fatalf("class %q of the sheet stands for more than one of ours", row.second)
					}
				}
				if got := BuiltInClasses().Lookup(RowError{Code: code, Message: "some text"}); got.Class != want {
					t.Errorf("%s, want %s", got.Class, want)
				}
			})
			if listed[code] {
				t.Errorf("the sheet lists %s twice", code)
			}
			listed[code] = true
			if !slices.ContainsFunc(rowErrors, func(e rowErrorCase) bool { return ParseRowError(e.text).Code == code }) {
				t.Errorf("no text of %s is tried", code)
			}
		}
	}
	t.Run("no code has a class that the sheet does not know", func(t *testing.T) {
		for _, rule := range BuiltInClasses().Rules() {
			if len(listed) > 0 && rule.Code != "" && rule.Code != record.NoCode && !listed[rule.Code] {
				t.Errorf("%s is not in the sheet", rule.Code)
			}
		}
	})
}

type requestErrorCase struct {
	status        int
	code, message string
	class         record.Class
}

// requestErrors are the answers of the sheet's table of requests: what Salesforce answers, and what our client makes of it.
var requestErrors = []requestErrorCase{
	{401, "INVALID_SESSION_ID", "Session expired or invalid", record.ClassAuth},
	{401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE", record.ClassAuth},
	{403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", record.ClassQuota},
	{403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", record.ClassTransient},
	{403, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner", record.ClassPermission},
	{403, "API_CURRENTLY_DISABLED", "API is disabled for this User", record.ClassPermission},
	{403, "API_NOT_ENABLED", "The REST API is not enabled for this Organization", record.ClassPermission},
	{403, "FUNCTIONALITY_NOT_ENABLED", "feature is off", record.ClassPermission},
	{400, "FEATURENOTENABLED", "FeatureNotEnabled : hard delete needs a permission", record.ClassPermission},
	{403, "INSUFFICIENT_ACCESS", "no right", record.ClassPermission},
	{403, "CLIENT_NOT_ACCESSIBLE_FOR_USER", "not accessible", record.ClassPermission},
	{403, "ORG_LOCKED", "the org is locked", record.ClassPermission},
	{403, "LOGIN_MUST_USE_SECURITY_TOKEN", "login must use the token", record.ClassAuth},
	{404, "NOT_FOUND", "The requested resource does not exist", record.ClassUnclassified}, // IsNotFound: what it means depends on the call
	{405, "METHOD_NOT_ALLOWED", "HTTP Method 'GET' not allowed. Allowed are POST", record.ClassUnclassified},
	{400, "INVALIDJOB", "InvalidJob : Unable to find object: Foo", record.ClassPermission},
	{400, "INVALIDJOBSTATE", "Aborting already Completed Job not allowed", record.ClassUnclassified}, // IsJobState
	{400, "INVALIDBATCH", "InvalidBatch : Field name not found : X", record.ClassPermission},
	{400, "INVALIDUSER", "InvalidUser : another user's job", record.ClassPermission},
	{400, "INVALIDURL", "InvalidUrl : no such resource", record.ClassUnclassified},
	{400, "INVALIDOPERATION", "InvalidOperation : not for this object", record.ClassPermission},
	{400, "CLIENTINPUTERROR", "ClientInputError : LineEnding is invalid on user data", record.ClassPermission},
	{400, "EXCEEDEDQUOTA", "ExceededQuota : ApiBatchItems Limit exceeded.", record.ClassQuota},
	{400, "TIMEOUT", "Timeout : too slow", record.ClassTransient},
	{400, "UNKNOWN", "Unknown : who knows", record.ClassTransient},
	{400, "API_ERROR", "Invalid value: 'x' supplied for property: 'operation'", record.ClassUnclassified},
	{400, "BULK_API_ERROR", "Found multipe contents for job", record.ClassUnclassified}, //nolint:misspell // as real orgs write it
	{400, "MALFORMED_QUERY", "unexpected token", record.ClassUnclassified},
	{400, "INVALID_FIELD", "No such column 'Foo__c' on entity 'Account'", record.ClassPermission},
	{400, "INVALID_TYPE", "sObject type 'Foo' is not supported.", record.ClassPermission},
	{400, "QUERY_TOO_COMPLICATED", "the query is too long", record.ClassUnclassified},
	{400, "INVALID_QUERY_LOCATOR", "invalid query locator", record.ClassTransient},
	{400, "QUERY_TIMEOUT", "Your query request was running for too long.", record.ClassTransient},
	{400, "JSON_PARSER_ERROR", "Unexpected character", record.ClassUnclassified},
	{400, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records into this call", record.ClassUnclassified},
	{300, "MULTIPLE_CHOICES", "", record.ClassDuplicate},
	{300, "", "", record.ClassDuplicate},
	{409, "CONFLICT_OF_VERSIONS", "the results are of another version", record.ClassUnclassified},
	{410, "UNSUPPORTED_API_VERSION", "the version is not supported", record.ClassPermission},
	{410, "GONE", "the version is retired", record.ClassPermission},
	{500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.", record.ClassTransient},
	{420, "", "", record.ClassTransient},
	{502, "", "", record.ClassTransient},
	{503, "SERVER_UNAVAILABLE", "server temporarily unavailable", record.ClassTransient},
	{503, "", "", record.ClassTransient},
}

func TestRequestErrors(t *testing.T) {
	for _, c := range requestErrors {
		t.Run(fmt.Sprintf("%d %s is %s: %s", c.status, c.code, c.class, c.message), func(t *testing.T) {
			if got := classifyRequest(c.status, c.code, c.message); got != c.class {
				t.Errorf("got %s, want %s", got, c.class)
			}
		})
	}
	t.Run("every code of the sheet's table of requests stands here", func(t *testing.T) {
		for _, row := range sheetTable(t, "6.3") {
			for _, code := range row.codes {
				// LOGIN_* stands for a family.
				family := strings.TrimSuffix(code, "*")
				if !slices.ContainsFunc(requestErrors, func(e requestErrorCase) bool {
					return e.code == code || family != code && strings.HasPrefix(e.code, family)
				}) {
					t.Errorf("%s is not tried", code)
				}
			}
		}
	})
	t.Run("an answer after which the effect is unknown is never taken for a refusal", func(t *testing.T) {
		for code := range unsureCodes {
			if class := requestClasses[code]; class != record.ClassTransient {
				t.Errorf("%s is %s", code, class)
			}
			if Definite(&Error{Status: http.StatusBadRequest, Code: code}) {
				t.Errorf("%s counts as a refusal", code)
			}
		}
	})
}
