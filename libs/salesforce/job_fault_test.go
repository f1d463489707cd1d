package salesforce

import (
	"testing"

	"bulkhead/libs/record"
)

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
