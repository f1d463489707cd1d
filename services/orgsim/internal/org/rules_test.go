package org_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/switches"
)

// storeOf is an org of another model.
func storeOf(t testing.TB, model string) *org.Store {
	t.Helper()
	m, err := org.ReadModel([]byte(model))
	if err != nil {
		t.Fatal(err)
	}
	return org.NewStore(org.Config{
		Model: m, Seed: 1, Username: "integration@bulkhead.example",
		Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }, Switches: switches.NewStore(),
	})
}

// ruled is an object with one validation rule.
func ruled(rule string) string {
	return fmt.Sprintf(`
objects:
  - name: Thing__c
    keyPrefix: "a00"
    fields:
      - {name: Text, type: textarea, length: 131072}
      - {name: Number, type: double, precision: 10, scale: 2}
      - {name: Whole, type: int}
      - {name: Flag, type: boolean}
      - {name: Day, type: date}
      - {name: At, type: datetime}
      - {name: Owner__c, type: reference, referenceTo: User, relationshipName: Owner__r}
    validations:
      - {name: rule, refuse: %q, message: refused}
`, rule)
}

func TestRulesSeeValuesInTheirTypes(t *testing.T) {
	for _, tc := range []struct{ rule, header, row string }{
		{`new.Text == "a"`, "Text", "a"},
		{`new.Text.lowerAscii().startsWith("ab")`, "Text", "ABC"},
		{`new.Text == null`, "Number", "1"},
		{`new.Number == null && new.Day == null && new.At == null && new.Owner__c == null`, "Text", "x"},
		{`new.Number > 1.5`, "Number", "1.51"},
		{`new.Whole == 7.0`, "Whole", "7"},
		{`new.Flag`, "Flag", "true"},
		{`!new.Flag`, "Text", "a checkbox without a value is false"},
		{`new.Day == timestamp("2026-02-03T00:00:00Z")`, "Day", "2026-02-03"},
		{`new.At < now`, "At", "2026-01-02T03:04:04Z"},
		{`isNew && old.Text == null && old.Flag == null`, "Text", "x"},
		{`rows == 1 && round == 1`, "Text", "x"},
		{`new.Number / 0.0 > 1.0`, "Number", "1"},
		{`new.Flag || new.Number > 1.0`, "Flag", "true"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			out := save(t, storeOf(t, ruled(tc.rule)), "Thing__c", org.Insert, "", tc.header, tc.row)
			if out[0].Error.Error() != "FIELD_CUSTOM_VALIDATION_EXCEPTION:refused:--" {
				t.Errorf("got %q", out[0].Error.Error())
			}
		})
	}
}

func TestARuleThatCannotSayRefusesItsRowAndSaysWhy(t *testing.T) {
	for _, tc := range []struct{ does, rule, text, why string }{
		{"a comparison with null", `new.Number > 1.0`, "x", "no such overload"},
		// Much work by the count of the language and next to none for the machine, so that the time is never up first.
		{"more work than a rule may do", `[0,1,2,3,4,5,6,7,8,9].all(i, !new.Text.matches("a pattern"))`, strings.Repeat("x", 130_000), "cost limit"},
		// Dear work of which there is little by count: every one of a hundred thousand steps writes a long text anew.
		{"more time than a rule may take", `new.Text.split("").all(a, new.Text.replace("x", "yy").size() > 0)`, strings.Repeat("x", 130_000), ""},
		{"a value that cannot be converted", `int(new.Text) == 1`, "x", "type conversion error"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			out := save(t, storeOf(t, ruled(tc.rule)), "Thing__c", org.Insert, "", "Text", tc.text)
			text := out[0].Error.Error()
			if !strings.HasPrefix(text, "FIELD_CUSTOM_VALIDATION_EXCEPTION:The validation rule rule could not be evaluated: ") || !strings.Contains(text, tc.why) {
				t.Errorf("got %q", text)
			}
		})
	}
}

const family = `
objects:
  - name: Top__c
    keyPrefix: "a01"
    fields:
      - {name: Key__c, type: string, externalId: true, unique: true}
  - name: Part__c
    keyPrefix: "a02"
    fields:
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: Top__c, type: reference, referenceTo: Top__c, relationshipName: Top__r, masterDetail: true, reparentable: true}
  - name: Piece__c
    keyPrefix: "a03"
    fields:
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: Part__c, type: reference, referenceTo: Part__c, relationshipName: Part__r, masterDetail: true}
  - name: Note__c
    keyPrefix: "a04"
    fields:
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: About__c, type: reference, referenceTo: [Top__c, Piece__c], relationshipName: About__r}
`

func TestDetailsGoWithTheirMaster(t *testing.T) {
	build := func(t *testing.T) *org.Store {
		s := storeOf(t, family)
		save(t, s, "Top__c", org.Insert, "", "Key__c", "t1", "t2")
		save(t, s, "Part__c", org.Insert, "", "Key__c,Top__r.Key__c", "p1,t1", "p2,t1", "p3,t2")
		save(t, s, "Piece__c", org.Insert, "", "Key__c,Part__r.Key__c", "c1,p1", "c2,p2", "c3,p3")
		return s
	}
	id := func(s *org.Store, object, key string) (id string) {
		o := s.Model().Object(object)
		s.Read(func(r org.Reader) {
			if rows := r.Find(o, key); len(rows) > 0 {
				id = r.ID(o, rows[0])
			}
		})
		return id
	}
	counts := func(s *org.Store) string {
		c := s.Counts(false)
		return fmt.Sprint(c["Top__c"].Rows, c["Part__c"].Rows, c["Piece__c"].Rows)
	}
	t.Run("over all levels", func(t *testing.T) {
		s := build(t)
		if out := save(t, s, "Top__c", org.Delete, "", "Id", id(s, "Top__c", "t1")); show(out) != "deleted" || counts(s) != "1 1 1" {
			t.Errorf("%s, left %s", show(out), counts(s))
		}
	})
	t.Run("and follow it when they are moved first", func(t *testing.T) {
		s := build(t)
		save(t, s, "Part__c", org.Upsert, "Key__c", "Key__c,Top__r.Key__c", "p1,t2")
		if out := save(t, s, "Top__c", org.Delete, "", "Id", id(s, "Top__c", "t1")); show(out) != "deleted" || counts(s) != "1 2 2" {
			t.Errorf("%s, left %s", show(out), counts(s))
		}
	})
	t.Run("unless another record refers to one of them", func(t *testing.T) {
		s := build(t)
		save(t, s, "Note__c", org.Insert, "", "Key__c,Piece__c:About__r.Key__c", "n1,c1")
		out := save(t, s, "Top__c", org.Delete, "", "Id", id(s, "Top__c", "t1"))
		if show(out) != "failed" || !strings.HasPrefix(out[0].Error.Error(), "DELETE_FAILED:") || counts(s) != "2 3 3" {
			t.Fatalf("%v, left %s", out[0].Error, counts(s))
		}
		save(t, s, "Note__c", org.Upsert, "Key__c", "Key__c,Top__c:About__r.Key__c", "n1,t2")
		if out := save(t, s, "Top__c", org.Delete, "", "Id", id(s, "Top__c", "t1")); show(out) != "deleted" {
			t.Errorf("the reference that is gone still counts: %v", out[0].Error)
		}
		if out := save(t, s, "Top__c", org.Delete, "", "Id", id(s, "Top__c", "t2")); show(out) != "failed" {
			t.Error("the new reference does not count")
		}
	})
	t.Run("and come back when the call is taken back", func(t *testing.T) {
		s := build(t)
		top := s.Model().Object("Top__c")
		p, err := s.NewPlan(top, org.Delete, "", []string{"Id"})
		if err != nil {
			t.Fatal(err)
		}
		rows := []org.Row{{Cells: []string{id(s, "Top__c", "t1")}}, {Cells: []string{"nothing"}}}
		before := s.Counts(true)
		s.SaveCall("", []org.Batch{{Plan: p, Rows: rows}}, true)
		if after := s.Counts(true); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("left %v of %v", after, before)
		}
		if out := save(t, s, "Part__c", org.Upsert, "Key__c", "Key__c", "p1"); show(out) != "updated" {
			t.Errorf("a detail is not found any more: %s", show(out))
		}
	})
}

func TestARowThatRefersToItselfCanGo(t *testing.T) {
	s := storeOf(t, `
objects:
  - name: Thing__c
    keyPrefix: "a00"
    fields:
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: Next__c, type: reference, referenceTo: Thing__c, relationshipName: Next__r}
`)
	o := s.Model().Object("Thing__c")
	save(t, s, "Thing__c", org.Insert, "", "Key__c", "a", "b")
	out := save(t, s, "Thing__c", org.Upsert, "Key__c", "Key__c,Next__r.Key__c", "a,a", "b,a")
	a, b := s.ID(o, out[0].ID), s.ID(o, out[1].ID)
	for _, id := range []string{a, b, a} {
		out = append(out, save(t, s, "Thing__c", org.Delete, "", "Id", id)...)
	}
	if got := show(out); got != "updated updated failed deleted deleted" {
		t.Error(got)
	}
}

func TestHardDeletedRowsAreInNoBin(t *testing.T) {
	s := storeOf(t, family)
	o := s.Model().Object("Top__c")
	out := save(t, s, "Top__c", org.Insert, "", "Key__c", "soft", "hard")
	save(t, s, "Part__c", org.Insert, "", "Key__c,Top__r.Key__c", "p,hard")
	save(t, s, "Top__c", org.Delete, "", "Id", s.ID(o, out[0].ID))
	save(t, s, "Top__c", org.HardDelete, "", "Id", s.ID(o, out[1].ID))
	s.Read(func(r org.Reader) {
		if !r.Binned(o, out[0].ID) || r.Binned(o, out[1].ID) || r.Binned(s.Model().Object("Part__c"), 0) {
			t.Error("the bin holds other rows")
		}
		if rows := r.Rows(o); rows != 2 || r.Live(o, 0) || r.Live(o, 1) {
			t.Error("a deleted row lives")
		}
	})
	again := save(t, s, "Top__c", org.HardDelete, "", "Id", s.ID(o, out[1].ID))
	if again[0].Error.Error() != "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--" || !again[0].HasID {
		t.Errorf("got %+v", again[0])
	}
}

func TestADefaultIsForWhatAnInsertLeavesOut(t *testing.T) {
	s := storeOf(t, `
objects:
  - name: Thing__c
    keyPrefix: "a00"
    fields:
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: Kind__c, type: picklist, values: [a, b], restricted: true, default: b}
      - {name: Count__c, type: int, default: "1"}
`)
	save(t, s, "Thing__c", org.Upsert, "Key__c", "Key__c,Kind__c,Count__c", "left,,", "null,#N/A,#N/A", "set,a,2")
	for key, want := range map[string]string{"left": "b 1", "null": " ", "set": "a 2"} {
		if f := fields(t, s, "Thing__c", key); f["Kind__c"]+" "+f["Count__c"] != want {
			t.Errorf("%s is %v, want %s", key, f, want)
		}
	}
	save(t, s, "Thing__c", org.Upsert, "Key__c", "Key__c,Kind__c,Count__c", "null,,", "set,,")
	for key, want := range map[string]string{"null": " ", "set": "a 2"} {
		if f := fields(t, s, "Thing__c", key); f["Kind__c"]+" "+f["Count__c"] != want {
			t.Errorf("%s is %v after an update, want %s", key, f, want)
		}
	}
}

func TestAnOwnerIsWhoSavesUnlessTheUploadSaysOtherwise(t *testing.T) {
	s := storeOf(t, `
objects:
  - name: Thing__c
    keyPrefix: "a00"
    fields:
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: OwnerId, type: reference, referenceTo: User, relationshipName: Owner}
`)
	save(t, s, "Thing__c", org.Insert, "", "Key__c,Owner.Username", "mine,", "theirs,"+org.AdminUsername)
	if _, bad, err := s.Seed("Thing__c", []map[string]string{{"Key__c": "seeded"}}); bad != nil || err != nil {
		t.Fatal(bad, err)
	}
	admin, _ := s.User(org.AdminUsername)
	for key, want := range map[string]string{"mine": s.Identity().UserID, "theirs": admin.ID, "seeded": admin.ID} {
		if f := fields(t, s, "Thing__c", key); f["OwnerId"] != want {
			t.Errorf("%s is owned by %s, want %s", key, f["OwnerId"], want)
		}
	}
}

// Whatever moves and goes, no row refers to one that is not there, and no detail is without its master.
func TestReferencesAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := storeOf(t, family)
		key := rapid.SampledFrom([]string{"1", "2", "3"})
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				save(t, s, "Top__c", org.Upsert, "Key__c", "Key__c", key.Draw(rt, "top"))
			case 1:
				save(t, s, "Part__c", org.Upsert, "Key__c", "Key__c,Top__r.Key__c", key.Draw(rt, "part")+","+key.Draw(rt, "top"))
			case 2:
				save(t, s, "Piece__c", org.Upsert, "Key__c", "Key__c,Part__r.Key__c", key.Draw(rt, "piece")+","+key.Draw(rt, "part"))
			case 3:
				save(t, s, "Note__c", org.Upsert, "Key__c", "Key__c,Top__c:About__r.Key__c,Piece__c:About__r.Key__c",
					rapid.SampledFrom([]string{"n,1,", "n,,2", "m,3,", "m,,1"}).Draw(rt, "note"))
			case 4:
				object := rapid.SampledFrom([]string{"Top__c", "Part__c", "Piece__c", "Note__c"}).Draw(rt, "object")
				o, id := s.Model().Object(object), ""
				s.Read(func(r org.Reader) {
					if n := r.Rows(o); n > 0 {
						id = r.ID(o, rapid.Uint32Range(0, n-1).Draw(rt, "row"))
					}
				})
				if id != "" {
					save(t, s, object, rapid.SampledFrom([]org.Operation{org.Delete, org.HardDelete}).Draw(rt, "how"), "", "Id", id)
				}
			}
		}
		s.Read(func(r org.Reader) {
			for _, o := range s.Model().Objects {
				for row := range r.Rows(o) {
					if !r.Live(o, row) {
						continue
					}
					for _, f := range o.Fields {
						id := r.Value(o, row, o.Readable(f.Name))
						if f.Type != org.TypeReference || (id == "" && !f.MasterDetail) {
							continue
						}
						parent := f.ParentOf(id)
						if parent == nil {
							rt.Fatalf("%s of a %s is %q", f.Name, o.Name, id)
						}
						if at, ok := r.ByID(parent, id); !ok || !r.Live(parent, at) {
							rt.Fatalf("%s of a %s leads to a row that is gone", f.Name, o.Name)
						}
					}
				}
			}
		})
	})
}
