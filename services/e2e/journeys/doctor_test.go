package journeys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// diagnosis is what `bulkhead doctor --json` prints.
type diagnosis struct {
	Checks []struct{ From, Of, Name, Result, Found, Fix string } `json:"checks"`
	OK     int                                                   `json:"ok"`
	Wrong  int                                                   `json:"wrong"`
	// Unknown is what nobody told.
	Unknown int `json:"unknown"`
}

func TestTheDoctorOfARunningStack(t *testing.T) {
	inTurn(t)
	s := dev(t, "--pipelines", quickJobs(t))
	b := cli{s.ops}
	t.Run("finds nothing wrong with what one machine runs, and nothing unknown", func(t *testing.T) {
		d := decode[diagnosis](t, b.wants(t, 0, "doctor", "--json").stdout)
		if d.Wrong != 0 || d.Unknown != 0 || d.OK != len(d.Checks) {
			t.Errorf("%+v", d)
		}
		of := map[string]bool{}
		for _, c := range d.Checks {
			of[c.Of] = true
		}
		for _, want := range []string{"ops", "ledger", "broker", "stream FLOW", "stream DLQ", "stream RECORDS_accounts", "stream RECORDS_contacts", "org main"} {
			if !of[want] {
				t.Errorf("nobody looked at %s: %+v", want, d.Checks)
			}
		}
		if r := b.wants(t, 0, "doctor"); !strings.Contains(r.stdout, "synchronous_commit on") || !strings.Contains(r.stdout, "0 wrong, 0 unknown") {
			t.Errorf("%s", r.stdout)
		}
	})
	t.Run("sees from here what ops does not see, and calls unknown what it is not told", func(t *testing.T) {
		dsn := filepath.Join(t.TempDir(), "dsn")
		if err := os.WriteFile(dsn, []byte(s.dsn), 0o600); err != nil {
			t.Fatal(err)
		}
		r := b.wants(t, 3, "doctor", "--dsn-file", dsn, "--nats", s.natsURL)
		for _, want := range []string{"ledger (from here), schema: extractor, submitter, poller, reconciler, retrier, ops", "unknown  broker (from here), sync"} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%q is not in\n%s", want, r.stdout)
			}
		}
	})
	t.Run("calls an org wrong that refuses everybody", func(t *testing.T) {
		s.org.fault(t, map[string]any{"match": map[string]any{"endpoint": "token"}, "effect": map[string]any{"kind": "status", "status": 400, "code": "invalid_client"}, "times": 0})
		if r := b.run(t, "doctor"); r.code != 1 || !strings.Contains(r.stdout, "wrong    org main") {
			t.Errorf("exit code %d\n%s", r.code, r.stdout)
		}
	})
}
