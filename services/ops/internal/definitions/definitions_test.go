package definitions_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/salesforce"
	"bulkhead/libs/testkit"
	"bulkhead/services/ops/internal/definitions"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/store"
)

type fakeOrg struct {
	described salesforce.Describe
	err       error
}

func (f *fakeOrg) Describe(context.Context, string, string) (salesforce.Describe, error) {
	return f.described, f.err
}

func contactObject() salesforce.Describe {
	return salesforce.Describe{Name: "Contact", Createable: true, Updateable: true, Fields: []salesforce.DescribeField{
		{Name: "External_Id__c", ExternalID: true, Unique: true, Createable: true, Updateable: true},
		{Name: "Email", Createable: true, Updateable: true},
	}}
}

type bundle struct {
	*fixture.Ledger

	applier *definitions.Applier
	org     *fakeOrg
}

func setup(t *testing.T) *bundle {
	t.Helper()
	db := testkit.Database(t)
	b := &bundle{Ledger: fixture.New(t, db.AdminPool(t)), org: &fakeOrg{described: contactObject()}}
	b.applier = definitions.New(store.New(db.Pool(t, "ops")), b.org, testkit.Logger(t), time.Now)
	if _, changed, err := b.applier.ApplyOrg(t.Context(), fixture.Org, "test"); !changed || err != nil {
		t.Fatalf("org: %t, %v", changed, err)
	}
	return b
}

func isInvalid(err error) bool {
	_, ok := errors.AsType[*definitions.InvalidError](err)
	return ok
}

func isConflict(err error) bool {
	_, ok := errors.AsType[*definitions.ConflictError](err)
	return ok
}

func TestApply(t *testing.T) {
	t.Run("each change is the next revision, the same text changes nothing, and each change is told", func(t *testing.T) {
		b := setup(t)
		for i, c := range []struct {
			yaml     string
			revision int
			changed  bool
		}{
			{fixture.Contacts, 1, true},
			{fixture.Contacts, 1, false},
			{fixture.Contacts + "# a remark\n", 2, true},
			{fixture.Contacts, 3, true},
		} {
			got, err := b.applier.Apply(t.Context(), "contacts", c.yaml, "kim")
			if err != nil || got.Revision != c.revision || got.Changed != c.changed {
				t.Errorf("apply %d: revision %d, changed %t, %v", i, got.Revision, got.Changed, err)
			}
		}
		if n := b.Count(`SELECT count(*) FROM ops.outbox WHERE subject = 'flow.contacts.definition_changed'`); n != 3 {
			t.Errorf("%d facts", n)
		}
		if n := b.Count(`SELECT count(*) FROM ops.audit WHERE action = 'apply' AND by = 'kim'`); n != 3 {
			t.Errorf("%d audit entries", n)
		}
	})
	t.Run("many at once make one revision of one text", func(t *testing.T) {
		b := setup(t)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "kim"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := b.Count(`SELECT count(*) FROM ops.definitions`); n != 1 {
			t.Errorf("%d revisions", n)
		}
	})
	t.Run("what is wrong with a document is refused and leaves nothing behind", func(t *testing.T) {
		b := setup(t)
		for name, yaml := range map[string]string{
			"empty":           "",
			"no YAML":         "::",
			"an unknown key":  fixture.Contacts + "colour: red\n",
			"another name":    strings.Replace(fixture.Contacts, "name: contacts", "name: people", 1),
			"an unknown org":  strings.Replace(fixture.Contacts, "org: main", "org: other", 1),
			"too long":        fixture.Contacts + strings.Repeat("#", definitions.MaxYAML),
			"another version": strings.Replace(fixture.Contacts, "bulkhead/v1", "bulkhead/v9", 1),
		} {
			if _, err := b.applier.Apply(t.Context(), "contacts", yaml, "kim"); !isInvalid(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := b.Count(`SELECT (SELECT count(*) FROM ops.definitions) + (SELECT count(*) FROM ops.outbox)`); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
	t.Run("another number of lanes than another pipeline of the space has is refused", func(t *testing.T) {
		b := setup(t)
		if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "kim"); err != nil {
			t.Fatal(err)
		}
		other := strings.NewReplacer("name: contacts", "name: people", "lanes: 2", "lanes: 4").Replace(fixture.Contacts)
		if _, err := b.applier.Apply(t.Context(), "", other, "kim"); !isConflict(err) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the number of lanes changes only when nothing of the space is on its way", func(t *testing.T) {
		b := setup(t)
		if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "kim"); err != nil {
			t.Fatal(err)
		}
		chunk := b.Chunk("c", "", "a")
		wider := strings.Replace(fixture.Contacts, "lanes: 2", "lanes: 3", 1)
		if _, err := b.applier.Apply(t.Context(), "", wider, "kim"); !isConflict(err) {
			t.Errorf("error %v", err)
		}
		b.Outcome(chunk, "", "l", fixture.Transfers{Landed: 1})
		if got, err := b.applier.Apply(t.Context(), "", wider, "kim"); err != nil || got.Revision != 2 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Run("an org that does not answer is a warning", func(t *testing.T) {
		b := setup(t)
		b.org.err = &salesforce.TransportError{Endpoint: "GET", Err: errors.New("refused")}
		got, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "kim")
		if err != nil || len(got.Warnings) != 1 {
			t.Errorf("%v, %v", got.Warnings, err)
		}
	})
	for _, c := range []struct {
		name   string
		change func(*salesforce.Describe)
	}{
		{"an external id that is not unique", func(d *salesforce.Describe) { d.Fields[0].Unique = false }},
		{"an external id that is none", func(d *salesforce.Describe) { d.Fields[0].ExternalID = false }},
		{"an external id in other case", func(d *salesforce.Describe) { d.Fields[0].Name = "external_id__c" }},
		{"a case-sensitive external id", func(d *salesforce.Describe) { d.Fields[0].CaseSensitive = true }},
		{"a column that the object does not have", func(d *salesforce.Describe) { d.Fields = d.Fields[:1] }},
		{"a column that may not be written", func(d *salesforce.Describe) { d.Fields[1].Createable, d.Fields[1].Updateable = false, false }},
		{"an object that may not be created", func(d *salesforce.Describe) { d.Createable = false }},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			b := setup(t)
			c.change(&b.org.described)
			if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "kim"); !isInvalid(err) {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("a relationship column is looked for by its relationship", func(t *testing.T) {
		b := setup(t)
		yaml := strings.Replace(fixture.Contacts, "lanes: 2", "  - {from: account_id, to: Account.External_Id__c, type: string}\nlanes: 2", 1)
		if _, err := b.applier.Apply(t.Context(), "", yaml, "kim"); !isInvalid(err) {
			t.Errorf("error %v", err)
		}
		b.org.described.Fields = append(b.org.described.Fields, salesforce.DescribeField{Name: "AccountId", RelationshipName: "Account", Createable: true, Updateable: true})
		if _, err := b.applier.Apply(t.Context(), "", yaml, "kim"); err != nil {
			t.Error(err)
		}
	})
}

func TestBootstrap(t *testing.T) {
	t.Run("applies orgs before pipelines, changes nothing the second time, and names what it refuses", func(t *testing.T) {
		b := setup(t)
		for range 2 {
			if err := b.applier.Bootstrap(t.Context(), []string{fixture.Org}, []string{fixture.Contacts}, "bootstrap"); err != nil {
				t.Fatal(err)
			}
		}
		if n := b.Count(`SELECT count(*) FROM ops.definitions`); n != 1 {
			t.Errorf("%d definitions", n)
		}
		err := b.applier.Bootstrap(t.Context(), []string{"kind: Nothing"}, []string{fixture.Contacts, "name: x"}, "bootstrap")
		if err == nil || !strings.Contains(err.Error(), "org 1") || !strings.Contains(err.Error(), "pipeline 2") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("what a person applied is not undone at the next start", func(t *testing.T) {
		b := setup(t)
		boot := func(text string) {
			t.Helper()
			if err := b.applier.Bootstrap(t.Context(), []string{fixture.Org}, []string{text}, "bootstrap"); err != nil {
				t.Fatal(err)
			}
		}
		boot(fixture.Contacts)
		boot(fixture.Contacts + "# a newer installation\n")
		if n := b.Count(`SELECT max(revision) FROM ops.definitions`); n != 2 {
			t.Errorf("revision %d after a newer installation, want 2", n)
		}
		if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts+"# by hand\n", "kim"); err != nil {
			t.Fatal(err)
		}
		boot(fixture.Contacts + "# a newer installation\n")
		if n := b.Count(`SELECT max(revision) FROM ops.definitions`); n != 3 {
			t.Errorf("revision %d after the start, want what kim applied", n)
		}
	})
	t.Run("a changed org is told to each pipeline that uses it", func(t *testing.T) {
		b := setup(t)
		if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "kim"); err != nil {
			t.Fatal(err)
		}
		b.Exec(`DELETE FROM ops.outbox`)
		if _, changed, err := b.applier.ApplyOrg(t.Context(), strings.Replace(fixture.Org, "report", "abort", 1), "kim"); !changed || err != nil {
			t.Fatal(err)
		}
		if n := b.Count(fmt.Sprintf(`SELECT count(*) FROM ops.outbox WHERE subject = '%s'`, "flow.contacts.definition_changed")); n != 1 {
			t.Errorf("%d facts", n)
		}
	})
}
