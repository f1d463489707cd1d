package definitions_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bulkhead/libs/salesforce"
	"bulkhead/services/ops/internal/fixture"
)

// document is the pipeline contacts with another operation, key and map.
func document(operation, key string, columns ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: bulkhead/v1\nkind: Pipeline\nname: contacts\norg: main\nobject: Contact\noperation: %s\n%s\nmap:\n", operation, key)
	for i, c := range columns {
		if strings.HasPrefix(c, "{") {
			fmt.Fprintf(&b, "  - %s\n", c)
			continue
		}
		fmt.Fprintf(&b, "  - {from: m%d, to: %s, type: string}\n", i, c)
	}
	return b.String()
}

const byExternalID = "externalId: External_Id__c"

func TestDescribeRefuses(t *testing.T) {
	b := setup(t) // one for all: what is refused leaves nothing behind
	upsert := document("upsert", byExternalID, "External_Id__c", "Email")
	insert := document("insert", "correlation: External_Id__c", "External_Id__c", "Email")
	update := document("update", byExternalID, "External_Id__c", "Email")
	remove := document("delete", byExternalID, "External_Id__c")
	off := func(set func(*salesforce.Describe)) func(*fakeOrg) {
		return func(f *fakeOrg) { f.change("Contact", set) }
	}
	on := func(name string, set func(*salesforce.DescribeField)) func(*fakeOrg) {
		return func(f *fakeOrg) { f.set(name, set) }
	}
	for _, c := range []struct {
		name   string
		yaml   string
		change func(*fakeOrg)
		want   []string // words of the message
	}{
		{"an object that is not there, with the nearest name", strings.Replace(upsert, "object: Contact", "object: Contacts", 1), nil, []string{"no object Contacts", "did you mean Contact?"}},
		{"an object in other case", strings.Replace(upsert, "object: Contact", "object: contact", 1), nil, []string{"the org writes Contact"}},
		{"an upsert where rows may not be created", upsert, off(func(d *salesforce.Describe) { d.Createable = false }), []string{"may not create rows of Contact"}},
		{"an upsert where rows may be neither created nor updated", upsert, off(func(d *salesforce.Describe) { d.Createable, d.Updateable = false, false }), []string{"may not create and update"}},
		{"an insert where rows may not be created", insert, off(func(d *salesforce.Describe) { d.Createable = false }), []string{"may not create"}},
		{"an update where rows may not be updated", update, off(func(d *salesforce.Describe) { d.Updateable = false }), []string{"may not update"}},
		{"a delete where rows may not be deleted", remove, off(func(d *salesforce.Describe) { d.Deletable = false }), []string{"may not delete"}},
		{"an external id that is not unique", upsert, on("External_Id__c", func(f *salesforce.DescribeField) { f.Unique = false }), []string{"externalId", "not unique"}},
		{"an external id that is none", upsert, on("External_Id__c", func(f *salesforce.DescribeField) { f.ExternalID, f.IDLookup = false, false }), []string{"not marked as external id"}},
		{"an external id in other case", upsert, on("External_Id__c", func(f *salesforce.DescribeField) { f.Name = "external_id__c" }), []string{"External_Id__c is written external_id__c"}},
		{"an external id that may not be written", upsert, on("External_Id__c", func(f *salesforce.DescribeField) { f.Createable = false }), []string{"when a row is created"}},
		{"a correlation field that is not unique", insert, on("External_Id__c", func(f *salesforce.DescribeField) { f.Unique = false }), []string{"correlation", "not unique"}},
		{"a correlation field that cannot be searched", insert, on("External_Id__c", func(f *salesforce.DescribeField) { f.Filterable = false }), []string{"correlation", "cannot search"}},
		{"a correlation field that may not be created", insert, on("External_Id__c", func(f *salesforce.DescribeField) { f.Createable = false }), []string{"correlation", "may not write"}},
		{"an update by a field that is not unique", update, on("External_Id__c", func(f *salesforce.DescribeField) { f.Unique = false }), []string{"not unique"}},
		{"a delete by a field that cannot be searched", remove, on("External_Id__c", func(f *salesforce.DescribeField) { f.Filterable = false }), []string{"cannot search"}},
		{"a column that is not there, with the nearest name", document("upsert", byExternalID, "External_Id__c", "E_mail"), nil, []string{"no field E_mail", "did you mean Email?"}},
		{"a column in other case", document("upsert", byExternalID, "External_Id__c", "email"), nil, []string{"email is written Email"}},
		{"a column that may not be written", upsert, on("Email", func(f *salesforce.DescribeField) { f.Createable, f.Updateable = false, false }), []string{"may not write Contact.Email"}},
		{"a column of an insert that only updates may write", insert, on("Email", func(f *salesforce.DescribeField) { f.Createable = false }), []string{"Email", "this pipeline inserts"}},
		{"a column of an update that only inserts may write", update, on("Email", func(f *salesforce.DescribeField) { f.Updateable = false }), []string{"Email", "this pipeline updates"}},
		{"a relationship that is not there, with the nearest name", document("upsert", byExternalID, "External_Id__c", "Acount.External_Id__c"), nil, []string{"no relationship Acount", "did you mean Account?"}},
		{"a relationship in other case", document("upsert", byExternalID, "External_Id__c", "account.External_Id__c"), nil, []string{"the relationship is written Account"}},
		{"a relationship whose reference may not be written", document("upsert", byExternalID, "External_Id__c", "Account.External_Id__c"), on("AccountId", func(f *salesforce.DescribeField) { f.Createable, f.Updateable = false, false }), []string{"may not write Contact.AccountId"}},
		{"a field that the parent does not have", document("upsert", byExternalID, "External_Id__c", "Account.Extern__c"), nil, []string{"Account has no field Extern__c"}},
		{"a field of the parent in other case", document("upsert", byExternalID, "External_Id__c", "Account.external_id__c"), nil, []string{"the field is written External_Id__c"}},
		{"a field of the parent that finds nothing", document("upsert", byExternalID, "External_Id__c", "Account.Name"), nil, []string{"Account.Name is no external id"}},
		{"a field of the parent that is not unique", document("upsert", byExternalID, "External_Id__c", "Account.Code__c"), nil, []string{"Account.Code__c is not unique"}},
		{"a parent that the org's user may not see", document("upsert", byExternalID, "External_Id__c", "Account.External_Id__c"), func(f *fakeOrg) { delete(f.objects, "Account") }, []string{"no object Account"}},
		{"a relationship to several objects without its type", document("upsert", byExternalID, "External_Id__c", "Who.Email"), nil, []string{"several objects (Account, Lead)", "Account:Who.Email"}},
		{"a type where there is one object only", document("upsert", byExternalID, "External_Id__c", "'Account:Account.External_Id__c'"), nil, []string{"one object only", "write Account.External_Id__c"}},
		{"a type that the relationship does not point at", document("upsert", byExternalID, "External_Id__c", "'Contact:Who.Email'"), nil, []string{"does not point at Contact"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			*b.org = fakeOrg{objects: objects()}
			if c.change != nil {
				c.change(b.org)
			}
			_, err := b.applier.Apply(t.Context(), "", c.yaml, "", "kim")
			if !isInvalid(err) {
				t.Fatalf("error %v", err)
			}
			for _, word := range c.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
			if n := b.Count(`SELECT count(*) FROM ops.definitions`); n != 0 {
				t.Errorf("%d revisions", n)
			}
		})
	}
	t.Run("everything that is wrong at once", func(t *testing.T) {
		*b.org = fakeOrg{objects: objects()}
		b.org.set("External_Id__c", func(f *salesforce.DescribeField) { f.Unique = false })
		_, err := b.applier.Apply(t.Context(), "", document("upsert", byExternalID, "External_Id__c", "email", "Phone"), "", "kim")
		if err == nil || strings.Count(err.Error(), "\n") != 2 {
			t.Errorf("%v", err)
		}
	})
}

func TestDescribeWarns(t *testing.T) {
	b := setup(t)
	for _, c := range []struct {
		name   string
		yaml   string
		change func(*fakeOrg)
		want   string // "" = no warning
	}{
		{"of nothing when all is well", document("upsert", byExternalID, "External_Id__c", "Email", "Account.External_Id__c", "'Account:Who.External_Id__c'"), nil, ""},
		{"of nothing when an update goes by Id", document("update", "externalId: Id", "{from: id, to: Id, type: id}", "Email"), nil, ""},
		{"when the org does not answer", document("upsert", byExternalID, "External_Id__c", "Email"), func(f *fakeOrg) {
			f.err = &salesforce.TransportError{Endpoint: "GET", Err: errors.New("refused")}
		}, "could not be asked about Contact"},
		{"of what is assumed when the org does not answer", document("upsert", byExternalID, "External_Id__c", "Email"), func(f *fakeOrg) {
			f.err = &salesforce.TransportError{Endpoint: "GET", Err: errors.New("refused")}
		}, "values of External_Id__c that differ in case only count as the same row"},
		{"of a column that an upsert can write only in new rows", document("upsert", byExternalID, "External_Id__c", "Email"), func(f *fakeOrg) {
			f.set("Email", func(d *salesforce.DescribeField) { d.Updateable = false })
		}, "only when a row is created"},
		{"of a field that new rows need", document("upsert", byExternalID, "External_Id__c", "Email"), func(f *fakeOrg) {
			f.change("Contact", func(d *salesforce.Describe) {
				d.Fields = append(d.Fields, with(field("LastName"), func(f *salesforce.DescribeField) { f.Nillable = false }))
			})
		}, "needs LastName"},
		{"of nothing when a relationship column fills what new rows need", document("upsert", byExternalID, "External_Id__c", "Account.External_Id__c"), func(f *fakeOrg) {
			f.set("AccountId", func(d *salesforce.DescribeField) { d.Nillable = false })
		}, ""},
		{"of nothing that new rows need when rows are only updated", document("update", byExternalID, "External_Id__c", "Email"), func(f *fakeOrg) {
			f.set("LeadSource", func(d *salesforce.DescribeField) { d.Nillable = false })
		}, ""},
		{"of a constant that the picklist does not have", document("upsert", byExternalID, "External_Id__c", `{const: "Fax", to: LeadSource}`), nil, `"Fax" is no active value`},
		{"of a parent's field that is not unique and cannot be", document("upsert", byExternalID, "External_Id__c", "'Lead:Who.Email'"), nil, "Lead.Email is not unique"},
		{"of whole records that would clear what cannot be empty", document("upsert", byExternalID+"\nrecords: whole", "External_Id__c", "Email"), func(f *fakeOrg) {
			f.set("Email", func(d *salesforce.DescribeField) { d.Nillable = false })
		}, "Email cannot be empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			*b.org = fakeOrg{objects: objects()}
			if c.change != nil {
				c.change(b.org)
			}
			got, err := b.applier.Apply(t.Context(), "", c.yaml, "", "kim")
			if err != nil {
				t.Fatal(err)
			}
			var fromOrg []string // the document's own warnings are told with their line
			for _, w := range got.Warnings {
				if !strings.HasPrefix(w, "line ") && !strings.HasPrefix(w, "records: whole") {
					fromOrg = append(fromOrg, w)
				}
			}
			if c.want == "" && len(fromOrg) > 0 || c.want != "" && !slices.ContainsFunc(fromOrg, func(w string) bool { return strings.Contains(w, c.want) }) {
				t.Errorf("warnings %q, want one that says %q", fromOrg, c.want)
			}
		})
	}
}

func TestCaseSensitivity(t *testing.T) {
	sensitive := func(b *bundle, is bool) {
		b.org.set("External_Id__c", func(f *salesforce.DescribeField) { f.CaseSensitive = is })
	}
	stored := func(b *bundle) (revision int, is bool) {
		b.t.Helper()
		d, ok, err := b.store.Definition(b.t.Context(), "contacts")
		if err != nil || !ok {
			b.t.Fatal(ok, err)
		}
		return d.Revision, d.CaseSensitive
	}
	t.Run("stands with the revision as the org described it, and stays when the org does not answer", func(t *testing.T) {
		b := setup(t)
		sensitive(b, true)
		b.apply(fixture.Contacts)
		if _, is := stored(b); !is {
			t.Fatal("not stored")
		}
		b.org.err = errors.New("down")
		b.apply(fixture.Contacts + "# a remark\n")
		if revision, is := stored(b); revision != 2 || !is {
			t.Errorf("revision %d, case-sensitive %t", revision, is)
		}
	})
	t.Run("is asked for again when the org could not be asked, and makes a revision of the same text", func(t *testing.T) {
		b := setup(t)
		sensitive(b, true)
		b.org.err = errors.New("down")
		b.apply(fixture.Contacts)
		if n, err := b.applier.Recheck(t.Context()); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		b.org.err = nil
		if n, err := b.applier.Recheck(t.Context()); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if revision, is := stored(b); revision != 2 || !is {
			t.Errorf("revision %d, case-sensitive %t", revision, is)
		}
		if n := b.Count(`SELECT count(*) FROM ops.audit WHERE action = 'recheck' AND by = 'ops'`); n != 1 {
			t.Errorf("%d audit entries", n)
		}
		if n := b.Count(`SELECT count(*) FROM ops.definitions WHERE applied_by = 'kim'`); n != 2 {
			t.Errorf("%d revisions of kim", n)
		}
		asked := b.org.asked
		if n, err := b.applier.Recheck(t.Context()); n != 0 || err != nil || b.org.asked != asked {
			t.Errorf("%d, %v, asked %d times more", n, err, b.org.asked-asked)
		}
	})
	t.Run("is not asked for while the org's circuit is open, and asked for when the next call is due", func(t *testing.T) {
		b := setup(t)
		b.org.err = errors.New("down")
		b.apply(fixture.Contacts)
		b.org.err = nil
		asked := b.org.asked
		recheck := func(situation string, asks bool) {
			t.Helper()
			if _, err := b.applier.Recheck(t.Context()); err != nil || b.org.asked > asked != asks {
				t.Errorf("%s: asked %d times, %v", situation, b.org.asked-asked, err)
			}
		}
		b.Circuit("poller", fixture.Circuit{Class: "quota", Cause: "used up", Failures: 2, Opened: -9, Failed: -8, NextCall: 300})
		recheck("open", false)
		b.Circuit("poller", fixture.Circuit{Class: "quota", Cause: "used up", Failures: 2, Opened: -9, Failed: -8, NextCall: -1})
		recheck("due", true)
	})
	t.Run("is asked for again when the org's document changes: it may be another org", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		sensitive(b, true)
		if n, err := b.applier.Recheck(t.Context()); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		if _, changed, err := b.applier.ApplyOrg(t.Context(), strings.Replace(fixture.Org, "report", "abort", 1), "kim"); !changed || err != nil {
			t.Fatal(changed, err)
		}
		if n, err := b.applier.Recheck(t.Context()); n != 1 || err != nil {
			t.Error(n, err)
		}
	})
	t.Run("makes a revision when the same text is applied after the org changed the field", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		sensitive(b, true)
		if got := b.apply(fixture.Contacts); !got.Changed || got.Revision != 2 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("does not change while something of the pipeline is on its way", func(t *testing.T) {
		b := setup(t)
		b.apply(fixture.Contacts)
		chunk := b.Chunk("c", "", "a")
		sensitive(b, true)
		if _, err := b.applier.Apply(t.Context(), "", fixture.Contacts, "", "kim"); !isConflict(err) {
			t.Errorf("error %v", err)
		}
		b.Outcome(chunk, "", "l", fixture.Transfers{Landed: 1})
		b.apply(fixture.Contacts)
	})
}
