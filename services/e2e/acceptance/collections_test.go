package acceptance

import (
	"net/http"
	"testing"

	"bulkhead/services/e2e/inprocess"
	"bulkhead/services/orgsim/simtest"
)

// TestSmallChunksGoByCollections has a threshold between two loads.
func TestSmallChunksGoByCollections(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(o *inprocess.Options) {
		for i, text := range o.Definitions {
			o.Definitions[i] = append(text, "bulk: {threshold: 400}\n"...)
		}
	})
	const few, bad, many = 150, 7, 5000
	s.failing(noLastName, 0, keysOf("S", 0, bad)...)
	s.failing("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--", 1, keysOf("S", bad, 2*bad)...)
	s.publish("contacts", "few", frame("S", few), true)
	b := s.settle("contacts", few)

	t.Run("a few rows land without a job, and those that fail are dead or sent again as ever", func(t *testing.T) {
		if b.Landed != few-bad || b.Dead != bad || b.Sum() != few {
			t.Errorf("%+v", b)
		}
		if jobs := len(s.Sim.Jobs()); jobs != 0 {
			t.Errorf("%d jobs were made", jobs)
		}
		if rows := s.Sim.Counts()["Contact"].Rows; rows != few-bad {
			t.Errorf("the org has %d rows", rows)
		}
		for _, c := range s.Sim.Calls(0, simtest.Collections) {
			if c.Method != http.MethodPatch || c.Status != http.StatusOK {
				t.Errorf("%s %s: %d", c.Method, c.Path, c.Status)
			}
		}
	})
	t.Run("their letters say what the org said", func(t *testing.T) {
		letters := s.letters("contacts")
		if len(letters) != bad {
			t.Fatalf("%d letters, want %d", len(letters), bad)
		}
		for _, l := range letters {
			if l.Class != "data" || l.Code != "REQUIRED_FIELD_MISSING" || l.Message == "" {
				t.Errorf("%+v", l)
			}
		}
	})
	t.Run("a record that landed has its Salesforce id", func(t *testing.T) {
		var reply struct {
			Records []history `json:"records"`
		}
		s.Ask(http.MethodGet, "/v1/records?pipeline=contacts&entity=S-0100", nil, &reply)
		held, ok := s.Sim.Record("Contact", "S-0100")
		if !ok || len(reply.Records) != 1 || reply.Records[0].State != "landed" || reply.Records[0].ID != held.ID {
			t.Errorf("%+v, and the org holds %+v", reply.Records, held)
		}
	})
	t.Run("many rows go by jobs", func(t *testing.T) {
		s.publish("contacts", "many", frame("M", many), true)
		if b := s.settle("contacts", few+many); b.Landed != few-bad+many {
			t.Errorf("%+v", b)
		}
		rows := 0
		for _, j := range s.closed() {
			rows += j.UploadRows
		}
		if rows < many/2 {
			t.Errorf("jobs were sent %d rows", rows)
		}
	})
}
