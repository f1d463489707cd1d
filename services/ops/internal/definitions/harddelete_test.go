package definitions_test

import (
	"strings"
	"testing"
)

func TestHardDelete(t *testing.T) {
	gone := document("hardDelete", byExternalID, "External_Id__c")
	t.Run("is switched off, and the refusal says how it is allowed and what to use instead", func(t *testing.T) {
		b := setup(t)
		_, err := b.applier.Apply(t.Context(), "", gone, "contacts", "kim")
		if !isInvalid(err) || !strings.Contains(err.Error(), "BULKHEAD_HARD_DELETE=true") || !strings.Contains(err.Error(), "operation: delete") {
			t.Errorf("error %v", err)
		}
		if n := b.Count(`SELECT count(*) FROM ops.definitions`); n != 0 {
			t.Errorf("%d revisions are stored", n)
		}
	})
	t.Run("where it is allowed it wants the pipeline's name typed once more, and that stands in the audit trail", func(t *testing.T) {
		b := setup(t)
		b.allowHardDelete()
		for _, typed := range []string{"", "yes", "CONTACTS"} {
			if _, err := b.applier.Apply(t.Context(), "", gone, typed, "kim"); !isConflict(err) || !strings.Contains(err.Error(), "--confirm contacts") {
				t.Errorf("%q: error %v", typed, err)
			}
		}
		got, err := b.applier.Apply(t.Context(), "", gone, "contacts", "kim")
		if err != nil || !got.Changed {
			t.Fatalf("%+v, %v", got, err)
		}
		if n := b.Count(`SELECT count(*) FROM ops.audit WHERE action = 'apply' AND by = 'kim' AND reason LIKE '%confirmed by typing%'`); n != 1 {
			t.Errorf("%d audit entries", n)
		}
	})
	t.Run("the same text again needs no confirmation, another text and a rollback to it do", func(t *testing.T) {
		b := setup(t)
		b.allowHardDelete()
		if _, err := b.applier.Apply(t.Context(), "", gone, "contacts", "kim"); err != nil {
			t.Fatal(err)
		}
		if got, err := b.applier.Apply(t.Context(), "", gone, "", "kim"); err != nil || got.Changed {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := b.applier.Apply(t.Context(), "", gone+"# once more\n", "", "kim"); !isConflict(err) {
			t.Errorf("error %v", err)
		}
		b.apply(document("delete", byExternalID, "External_Id__c"))
		if _, err := b.applier.Rollback(t.Context(), "contacts", 1, "it was better", "", "robin"); !isConflict(err) {
			t.Errorf("error %v", err)
		}
		if got, err := b.applier.Rollback(t.Context(), "contacts", 1, "it was better", "contacts", "robin"); err != nil || got.Revision != 3 {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("no configuration at a start brings it in, for nobody can confirm that", func(t *testing.T) {
		b := setup(t)
		b.allowHardDelete()
		if err := b.applier.Bootstrap(t.Context(), nil, []string{gone}, "bootstrap"); err == nil || !strings.Contains(err.Error(), "--confirm contacts") {
			t.Errorf("error %v", err)
		}
	})
}
