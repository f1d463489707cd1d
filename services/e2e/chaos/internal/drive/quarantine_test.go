package drive

import (
	"testing"

	"bulkhead/services/e2e/chaos/internal/load"
)

func TestAQuarantineIsAPauseThatNamesAJobToDelete(t *testing.T) {
	for message, c := range map[string]struct {
		service, job string
	}{
		"job 750000000000001AAA: rows that nobody sent: delete the job in Salesforce, then resume": {"reconciler", "750000000000001AAA"},
		"job 750000000000002AAA waits":                                               {"submitter", ""},
		"job 750000000000003AAA landed nothing":                                      {"reconciler", ""},
		"job 750000000000004AAA: delete the job in Salesforce, says another service": {"submitter", ""},
		"": {"reconciler", ""},
	} {
		if job, yes := quarantined(load.Pause{Service: c.service, Message: message}); job != c.job || yes != (c.job != "") {
			t.Errorf("%q of %s: %q, %v", message, c.service, job, yes)
		}
	}
}
