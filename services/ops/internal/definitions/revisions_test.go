package definitions_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bulkhead/libs/salesforce"
	"bulkhead/services/ops/internal/definitions"
	"bulkhead/services/ops/internal/fixture"
)

func isMissing(err error) bool {
	_, ok := errors.AsType[*definitions.MissingError](err)
	return ok
}

func TestRevisions(t *testing.T) {
	second := strings.NewReplacer("to: Email, type: string", "to: Email, type: string, required: true", "lanes: 2", "lanes: 3").Replace(fixture.Contacts)
	t.Run("are listed, the newest first, with their texts", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		b.apply(second)
		got, err := b.applier.Revisions(t.Context(), "contacts")
		if err != nil || len(got) != 2 || got[0].Revision != 2 || got[0].YAML != second || got[1].YAML != fixture.Contacts || len(got[0].Digest) != 32 {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := b.applier.Revisions(t.Context(), "nobody"); !isMissing(err) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the text of old ones is left out where a list would be too large", func(t *testing.T) {
		b := setup(t)
		for i := range 20 {
			b.apply(fixture.Contacts + strings.Repeat("#", definitions.MaxYAML-len(fixture.Contacts)-i))
		}
		got, err := b.applier.Revisions(t.Context(), "contacts")
		if err != nil || len(got) != 20 || got[0].YAML == "" || got[19].YAML != "" {
			t.Errorf("%d revisions, %v", len(got), err)
		}
	})
	t.Run("cannot be changed by the service's own role", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		if _, err := b.db.Pool(t, "ops").Exec(t.Context(), `UPDATE ops.definitions SET yaml = ''`); err == nil && !b.db.InMemory() {
			t.Error("the role may update revisions")
		}
	})
	t.Run("differ line by line and in words", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		b.apply(second)
		got, err := b.applier.Diff(t.Context(), "contacts", 0, 0)
		if err != nil || got.From != 1 || got.To != 2 || !strings.Contains(got.Unified, "-lanes: 2\n") || !strings.Contains(got.Unified, "+lanes: 3\n") {
			t.Fatalf("%+v, %v", got, err)
		}
		want := []string{
			"Column Email is filled with the required member email (string) instead of member email (string).",
			"lanes changes from 2 to 3: entities move to other lanes.",
		}
		if !slices.Equal(got.Changes, want) {
			t.Errorf("%q", got.Changes)
		}
		back, err := b.applier.Diff(t.Context(), "contacts", 2, 1)
		if err != nil || !strings.Contains(back.Unified, "-lanes: 3\n") || !strings.Contains(back.Unified, "+lanes: 2\n") {
			t.Errorf("%+v, %v", back, err)
		}
		same, err := b.applier.Diff(t.Context(), "contacts", 2, 2)
		if err != nil || same.Unified != "" || len(same.Changes) != 1 {
			t.Errorf("%+v, %v", same, err)
		}
		if _, err := b.applier.Diff(t.Context(), "contacts", 7, 0); !isMissing(err) {
			t.Errorf("error %v", err)
		}
		if _, err := b.applier.Diff(t.Context(), "contacts", 0, 1); !isInvalid(err) {
			t.Errorf("error %v", err)
		}
	})
}

func TestChanges(t *testing.T) {
	b := setup(t)
	b.apply(document("upsert", byExternalID+"\nkey: [event]\nowner: Sales", "External_Id__c", "Email"))
	b.apply(document("insert", "correlation: content\nkey: [event, day]\nunknownMembers: ignore\nemptyString: keep\nowner: Service\ncontact: service@people.example\ndependsOn: [accounts]\n"+
		"lanes: 4\nchunk: {rows: 10, bytes: 1MB, age: 1s}\nbacklog: 1GiB\nretry: {transient: {attempts: 2, base: 1s, max: 2s}}",
		"External_Id__c", `{const: "Web", to: LeadSource}`))
	got, err := b.applier.Diff(t.Context(), "contacts", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(got.Changes, "\n")
	for _, want := range []string{
		"operation changes from upsert to insert: every record makes a new row.",
		"The key field changes from External_Id__c to content",
		"key changes from event to event, day", "unknownMembers changes from reject to ignore.", "emptyString changes from reject to keep.",
		`Column LeadSource is added, filled with the constant "Web".`, "Column Email is filled no more", "lanes changes from 2 to 4",
		"chunk.rows changes from 50000 to 10.", "chunk.age changes from 10s to 1s.", "backlog changes from 2147483648 to 1073741824",
		"retry of class transient changes from 8 tries, 1s to 10m0s to 2 tries, 1s to 2s.", "owner changes from Sales to Service.",
		"contact changes from none to service@people.example.", "dependsOn changes from none to accounts.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q:\n%s", want, text)
		}
	}
}

func TestRollback(t *testing.T) {
	t.Run("is a new revision with the old text, and stands in the audit trail", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		b.apply(fixture.Contacts + "# worse\n")
		got, err := b.applier.Rollback(t.Context(), "contacts", 1, "it was worse", "", "robin")
		if err != nil || !got.Changed || got.Revision != 3 || got.YAML != fixture.Contacts || got.AppliedBy != "robin" || got.Backlog == 0 {
			t.Errorf("%+v, %v", got, err)
		}
		if n := b.Count(`SELECT count(*) FROM ops.audit WHERE action = 'rollback' AND by = 'robin' AND reason = 'it was worse' AND detail = '{"revision":3,"restores":1}'`); n != 1 {
			t.Errorf("%d audit entries", n)
		}
		if n := b.Count(`SELECT count(*) FROM ops.outbox WHERE subject = 'flow.contacts.definition_changed'`); n != 3 {
			t.Errorf("%d facts", n)
		}
		again, err := b.applier.Rollback(t.Context(), "contacts", 1, "twice", "", "robin")
		if err != nil || again.Changed || again.Revision != 3 {
			t.Errorf("%+v, %v", again, err)
		}
	})
	t.Run("to what is not there is refused", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		if _, err := b.applier.Rollback(t.Context(), "contacts", 9, "x", "", "robin"); !isMissing(err) {
			t.Errorf("error %v", err)
		}
		if _, err := b.applier.Rollback(t.Context(), "nobody", 1, "x", "", "robin"); !isMissing(err) {
			t.Errorf("error %v", err)
		}
		if _, err := b.applier.Rollback(t.Context(), "contacts", 0, "x", "", "robin"); !isInvalid(err) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("passes the same checks as any apply", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		b.apply(document("upsert", byExternalID, "External_Id__c"))
		b.org.set("Email", func(f *salesforce.DescribeField) { f.Createable, f.Updateable = false, false })
		if _, err := b.applier.Rollback(t.Context(), "contacts", 1, "x", "", "robin"); !isInvalid(err) {
			t.Errorf("error %v", err)
		}
	})
}
