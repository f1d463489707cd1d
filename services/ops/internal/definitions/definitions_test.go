package definitions_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
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

// fakeOrg answers as an org with these objects.
type fakeOrg struct {
	objects map[string]salesforce.Describe
	err     error
	asked   int
}

func (f *fakeOrg) Describe(_ context.Context, _, object string) (salesforce.Describe, error) {
	f.asked++
	if f.err != nil {
		return salesforce.Describe{}, f.err
	}
	for name, d := range f.objects {
		if strings.EqualFold(name, object) { // as Salesforce finds them
			return d, nil
		}
	}
	return salesforce.Describe{}, &salesforce.Error{Status: http.StatusNotFound, Code: "NOT_FOUND", Message: "The requested resource does not exist"}
}

func (f *fakeOrg) Objects(context.Context, string) ([]string, error) {
	return slices.Sorted(maps.Keys(f.objects)), f.err
}

// change alters the description of an object.
func (f *fakeOrg) change(object string, how func(*salesforce.Describe)) {
	d := f.objects[object]
	d.Fields = slices.Clone(d.Fields)
	how(&d)
	f.objects[object] = d
}

// set alters the description of a field of Contact.
func (f *fakeOrg) set(field string, how func(*salesforce.DescribeField)) {
	f.change("Contact", func(d *salesforce.Describe) {
		for i := range d.Fields {
			if d.Fields[i].Name == field {
				how(&d.Fields[i])
			}
		}
	})
}

func field(name string) salesforce.DescribeField {
	return salesforce.DescribeField{Name: name, Type: "string", Nillable: true, Createable: true, Updateable: true, Filterable: true}
}

func with(f salesforce.DescribeField, how func(*salesforce.DescribeField)) salesforce.DescribeField {
	how(&f)
	return f
}

func externalID(f *salesforce.DescribeField) { f.ExternalID, f.IDLookup, f.Unique = true, true, true }

func objects() map[string]salesforce.Describe {
	id := salesforce.DescribeField{Name: "Id", Type: "id", IDLookup: true, Filterable: true, DefaultedOnCreate: true}
	return map[string]salesforce.Describe{
		"Account": {Name: "Account", Createable: true, Updateable: true, Deletable: true, Fields: []salesforce.DescribeField{
			id, field("Name"), with(field("External_Id__c"), externalID), with(field("Code__c"), func(f *salesforce.DescribeField) { f.ExternalID, f.IDLookup = true, true }),
		}},
		"Lead": {Name: "Lead", Createable: true, Updateable: true, Deletable: true, Fields: []salesforce.DescribeField{
			id, with(field("Email"), func(f *salesforce.DescribeField) { f.IDLookup = true }),
		}},
		"Contact": {Name: "Contact", Createable: true, Updateable: true, Deletable: true, Fields: []salesforce.DescribeField{
			id, with(field("External_Id__c"), externalID), field("Email"),
			with(field("LeadSource"), func(f *salesforce.DescribeField) {
				f.Type, f.RestrictedPicklist = "picklist", true
				f.PicklistValues = []salesforce.PicklistValue{{Value: "Web", Active: true}, {Value: "Fax"}}
			}),
			with(field("AccountId"), func(f *salesforce.DescribeField) {
				f.Type, f.RelationshipName, f.ReferenceTo = "reference", "Account", []string{"Account"}
			}),
			with(field("WhoId"), func(f *salesforce.DescribeField) {
				f.Type, f.RelationshipName, f.ReferenceTo, f.PolymorphicForeignKey = "reference", "Who", []string{"Account", "Lead"}, true
			}),
		}},
	}
}

type bundle struct {
	*fixture.Ledger

	t       *testing.T
	db      *testkit.Ledger
	store   *store.Store
	applier *definitions.Applier
	org     *fakeOrg
}

// allowHardDelete makes the applier one of an installation that allows it.
func (b *bundle) allowHardDelete() {
	b.applier = definitions.New(definitions.Config{Store: b.store, Describe: b.org, HardDelete: true, Logger: testkit.Logger(b.t), Now: time.Now})
}

func setup(t *testing.T) *bundle {
	t.Helper()
	db := testkit.NewLedger(t)
	b := &bundle{Ledger: fixture.New(t, db.AdminPool(t)), t: t, db: db, store: store.New(db.Pool(t, "ops")), org: &fakeOrg{objects: objects()}}
	b.applier = definitions.New(definitions.Config{Store: b.store, Describe: b.org, Logger: testkit.Logger(t), Now: time.Now})
	if _, changed, err := b.applier.ApplyOrg(t.Context(), fixture.Org, "test"); !changed || err != nil {
		t.Fatalf("org: %t, %v", changed, err)
	}
	return b
}

// apply applies what must be taken.
func (b *bundle) apply(yaml string) definitions.Applied {
	b.t.Helper()
	got, err := b.applier.Apply(b.t.Context(), "", yaml, "", "kim")
	if err != nil {
		b.t.Fatal(err)
	}
	return got
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
			got, err := b.applier.Apply(t.Context(), "contacts", c.yaml, "", "kim")
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
				if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "", "kim"); err != nil {
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
			if _, err := b.applier.Apply(t.Context(), "contacts", yaml, "", "kim"); !isInvalid(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := b.Count(`SELECT (SELECT count(*) FROM ops.definitions) + (SELECT count(*) FROM ops.outbox)`); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
	t.Run("another number of lanes than another pipeline of the space has is refused", func(t *testing.T) {
		b := setup(t)
		if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "", "kim"); err != nil {
			t.Fatal(err)
		}
		other := strings.NewReplacer("name: contacts", "name: people", "lanes: 2", "lanes: 4").Replace(fixture.Contacts)
		if _, err := b.applier.Apply(t.Context(), "", other, "", "kim"); !isConflict(err) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the number of lanes changes only when nothing of the space is on its way", func(t *testing.T) {
		b := setup(t)
		if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "", "kim"); err != nil {
			t.Fatal(err)
		}
		chunk := b.Chunk("c", "", "a")
		wider := strings.Replace(fixture.Contacts, "lanes: 2", "lanes: 3", 1)
		if _, err := b.applier.Apply(t.Context(), "", wider, "", "kim"); !isConflict(err) {
			t.Errorf("error %v", err)
		}
		b.Outcome(chunk, "", "l", fixture.Transfers{Landed: 1})
		if got, err := b.applier.Apply(t.Context(), "", wider, "", "kim"); err != nil || got.Revision != 2 {
			t.Errorf("%+v, %v", got, err)
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
		if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts+"# by hand\n", "", "kim"); err != nil {
			t.Fatal(err)
		}
		boot(fixture.Contacts + "# a newer installation\n")
		if n := b.Count(`SELECT max(revision) FROM ops.definitions`); n != 3 {
			t.Errorf("revision %d after the start, want what kim applied", n)
		}
	})
	t.Run("applies those first that others depend on, and waits once for an org that does not answer", func(t *testing.T) {
		b := setup(t)
		b.org.err = errors.New("down")
		first := strings.Replace(fixture.Contacts, "name: contacts", "name: b-parents", 1)
		second := strings.Replace(fixture.Contacts, "name: contacts", "name: a-children\ndependsOn: [b-parents]", 1)
		if err := b.applier.Bootstrap(t.Context(), nil, []string{second, first}, "bootstrap"); err != nil {
			t.Fatal(err)
		}
		if n := b.Count(`SELECT count(*) FROM ops.definitions d JOIN ops.definitions e ON d.name = 'b-parents' AND e.name = 'a-children' AND d.applied_at <= e.applied_at`); n != 1 || b.org.asked != 1 {
			t.Errorf("%d in order, the org was asked %d times", n, b.org.asked)
		}
	})
	t.Run("a changed org is told to each pipeline that uses it", func(t *testing.T) {
		b := setup(t)
		if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "", "kim"); err != nil {
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
