package acceptance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/e2e/inprocess"
)

// TestRowsAreErasedOnlyWhereEverybodyAllowsIt: a hard delete has no way back. The installation, an admin who types the pipeline's name, and Salesforce's own
// permission must all allow it.
func TestRowsAreErasedOnlyWhereEverybodyAllowsIt(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(o *inprocess.Options) { o.HardDelete = true })
	const n, erased = 30, 10
	s.publish("contacts", "file", frame("H", n), true)
	s.settle("contacts", n)
	text := string(definition("erasures", "Contact", "hardDelete", "externalId: External_Id__c", columnsOf("from: id, to: External_Id__c, type: string, required: true"), quick))
	put := func(confirm string) (int, string) {
		status, answer, err := s.Call(http.MethodPut, "/v1/pipelines/erasures", map[string]string{"yaml": text, "by": "kim", "confirm": confirm})
		s.Must(err)
		return status, string(answer)
	}
	t.Run("without the pipeline's name it is refused, and the refusal says what to type", func(t *testing.T) {
		if status, answer := put(""); status < 400 || !strings.Contains(answer, "--confirm erasures") {
			t.Errorf("%d %s", status, answer)
		}
	})
	if status, answer := put("erasures"); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	s.TakesRecords("erasures")
	gone := keysOf("H", 0, erased)
	for _, k := range gone {
		s.publish("erasures", "evt-"+k, fmt.Appendf(nil, `{"id":%q}`, k), false)
	}
	t.Run("without Salesforce's permission the pipeline pauses and says so, and no row is touched", func(t *testing.T) {
		s.Eventually("the pipeline is paused", func() bool {
			return strings.Contains(string(s.Get("/v1/pipelines/erasures")), "FEATURENOTENABLED")
		})
		if rows := s.Sim.Counts()["Contact"].Rows; rows != n {
			t.Errorf("%d rows are left", rows)
		}
		if b := s.balance("erasures"); b.Accepted != erased || b.Dead != 0 {
			t.Errorf("a refusal of the whole job was held against its records: %+v", b)
		}
	})
	t.Run("with it, the rows are gone and nobody else's", func(t *testing.T) {
		s.Sim.Set(map[string]any{"hard_delete": true})
		s.Ask(http.MethodPost, "/v1/pipelines/erasures:resume", map[string]string{"reason": "the permission was granted", "by": "kim"}, nil)
		if b := s.settle("erasures", erased); b.Landed != erased {
			t.Errorf("%+v", b)
		}
		left := map[string]bool{}
		for _, r := range s.Sim.Records("Contact", false) {
			left[r.Fields["External_Id__c"]] = true
		}
		for _, k := range keysOf("H", 0, n) {
			if left[k] == slices.Contains(gone, k) {
				t.Errorf("%s is there: %t", k, left[k])
			}
		}
		for _, j := range s.closed() {
			if j.Operation == "delete" {
				t.Errorf("job %s only moves its rows to the Recycle Bin", j.ID)
			}
		}
	})
}
