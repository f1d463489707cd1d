package org_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/services/orgsim/internal/org"
)

func field(name, text string) org.Member {
	return org.Member{Name: name, Kind: org.JSONText, Text: text}
}

func record(members ...org.Member) org.Member {
	return org.Member{Kind: org.JSONObject, Members: members}
}

func parent(name, key, text string) org.Member {
	return org.Member{Name: name, Kind: org.JSONObject, Members: []org.Member{field(key, text)}}
}

func batch(t interface {
	Fatalf(format string, args ...any)
}, s *org.Store, object string, op org.Operation, key string, records ...org.Member,
) org.Batch {
	p, rows, problem := s.NewRecordPlan(s.Model().Object(object), op, key, records)
	if problem != nil {
		t.Fatalf("plan: %v", problem)
	}
	return org.Batch{Plan: p, Rows: rows}
}

// everything is all that an org shows: every row that ever was with its history, and what its keys lead to.
func everything(s *org.Store) string {
	var b strings.Builder
	for _, o := range s.Model().Objects {
		s.Read(func(r org.Reader) {
			for row := range r.Rows(o) {
				rec := r.Record(o, row, true)
				_, _ = fmt.Fprintf(&b, "%s %d %+v found by", o.Name, row, rec)
				for _, name := range []string{"External_Id__c", "Legacy__c", "Loyalty_Number__c"} {
					if v := rec.Fields[name]; v != "" {
						found := r.Find(o, v)
						slices.Sort(found) // rows that share a value have no order
						_, _ = fmt.Fprint(&b, " ", found)
					}
				}
				b.WriteByte('\n')
			}
		})
	}
	_, _ = fmt.Fprintf(&b, "%+v", s.Counts(true))
	return b.String()
}

func TestACallThatIsTakenBackLeavesNothing(t *testing.T) {
	t.Run("whatever it did before it failed", func(outer *testing.T) {
		rapid.Check(outer, func(t *rapid.T) {
			s := newStore(outer)
			s.SaveCall("", []org.Batch{batch(t, s, "Account", org.Insert, "",
				record(field("Name", "A"), field("External_Id__c", "a0")), record(field("Name", "B"), field("External_Id__c", "a1"), field("Legacy__c", "l")))}, false)
			for range rapid.IntRange(0, 6).Draw(t, "calls before") {
				s.SaveCall("", drawBatches(t, s), false)
			}
			before := everything(s)
			batches := drawBatches(t, s)
			batches = append(batches, batch(t, s, "Account", org.Insert, "", record(field("Name", strings.Repeat("long", 9)))))
			out := s.SaveCall("", batches, true)
			for _, o := range out {
				if o.Result != org.Failed || o.HasID {
					t.Fatalf("got %+v", o)
				}
			}
			if after := everything(s); after != before {
				t.Fatalf("before:\n%s\nafter:\n%s", before, after)
			}
			// Nothing thinks that it is still referred to.
			for _, object := range []string{"Contact", "Account"} {
				for _, id := range liveIDs(s, object) {
					out := s.SaveCall("", []org.Batch{batch(t, s, object, org.Delete, "", record(field("Id", id)))}, false)
					if out[0].Result != org.Deleted {
						t.Fatalf("delete of %s: %v", id, out[0].Error)
					}
				}
			}
		})
	})
	t.Run("and the innocents say why", func(t *testing.T) {
		s := newStore(t)
		out := s.SaveCall("", []org.Batch{batch(t, s, "Account", org.Insert, "", record(field("Name", "A")), record(field("External_Id__c", "x")))}, true)
		if out[0].Error.Code != "ALL_OR_NONE_OPERATION_ROLLED_BACK" || out[1].Error.Code != "REQUIRED_FIELD_MISSING" {
			t.Errorf("got %v, %v", out[0].Error, out[1].Error)
		}
	})
	t.Run("while one without a failure stays", func(t *testing.T) {
		s := newStore(t)
		out := s.SaveCall(s.Identity().UserID, []org.Batch{batch(t, s, "Account", org.Insert, "", record(field("Name", "A")))}, true)
		if out[0].Result != org.Created {
			t.Fatalf("got %+v", out[0])
		}
		s.Read(func(r org.Reader) {
			o := s.Model().Object("Account")
			if got := r.Value(o, out[0].ID, o.Readable("CreatedById")); got != s.Identity().UserID {
				t.Errorf("created by %s, want the caller %s", got, s.Identity().UserID)
			}
		})
	})
}

func TestCallsThatBelongTogether(t *testing.T) {
	t.Run("leave nothing when they are taken back, even those that took themselves back", func(outer *testing.T) {
		rapid.Check(outer, func(t *rapid.T) {
			s := newStore(outer)
			s.SaveCall("", drawBatches(t, s), false)
			before := everything(s)
			s.Together(func(save org.Saver) bool {
				for range rapid.IntRange(1, 5).Draw(t, "calls") {
					save("", drawBatches(t, s), rapid.Bool().Draw(t, "all or none"))
				}
				return false
			})
			if after := everything(s); after != before {
				t.Fatalf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	})
	t.Run("stay when they are kept", func(t *testing.T) {
		s := newStore(t)
		s.Together(func(save org.Saver) bool {
			save("", []org.Batch{batch(t, s, "Account", org.Insert, "", record(field("Name", "A")))}, true)
			save("", []org.Batch{batch(t, s, "Account", org.Insert, "", record(field("Name", "B")), record())}, true)
			return true
		})
		if got := s.Counts(false)["Account"].Rows; got != 1 {
			t.Errorf("%d rows, want the one of the first call", got)
		}
	})
	t.Run("take nothing back of what others save at the same time", func(t *testing.T) {
		s := newStore(t)
		var others sync.WaitGroup
		for i := range 4 {
			others.Go(func() {
				for j := range 50 {
					save(t, s, "Account", org.Insert, "", "Name,External_Id__c", fmt.Sprintf("N,k%d-%d", i, j))
				}
			})
		}
		for range 50 {
			s.Together(func(save org.Saver) bool {
				for range 3 {
					save("", []org.Batch{batch(t, s, "Account", org.Insert, "", record(field("Name", "A")))}, false)
				}
				return false
			})
		}
		others.Wait()
		if got := s.Counts(false)["Account"].Rows; got != 200 {
			t.Errorf("%d rows, want the 200 of the others", got)
		}
	})
}

// drawBatches draws what one call may bring: new rows, changed keys and parents, removed rows.
func drawBatches(t *rapid.T, s *org.Store) []org.Batch {
	var out []org.Batch
	for range rapid.IntRange(1, 4).Draw(t, "batches") {
		key := fmt.Sprintf("a%d", rapid.IntRange(0, 3).Draw(t, "account"))
		contact := fmt.Sprintf("c%d", rapid.IntRange(0, 3).Draw(t, "contact"))
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0:
			out = append(out, batch(t, s, "Account", org.Upsert, "External_Id__c", record(field("External_Id__c", key), field("Name", "N"+key), field("Legacy__c", contact))))
		case 1:
			out = append(out, batch(t, s, "Contact", org.Upsert, "External_Id__c",
				record(field("External_Id__c", contact), field("LastName", "L"), parent("Account", "External_Id__c", key))))
		case 2:
			out = append(out, batch(t, s, "Contact", org.Insert, "", record(field("LastName", "L"), field("Loyalty_Number__c", key))))
		case 3:
			out = append(out, batch(t, s, "Contact", org.Delete, "", record(field("Id", idOf(s, "Contact", contact)))))
		default:
			out = append(out, batch(t, s, "Account", org.Delete, "", record(field("Id", idOf(s, "Account", key)))))
		}
	}
	return out
}

func liveIDs(s *org.Store, object string) (ids []string) {
	o := s.Model().Object(object)
	s.Read(func(r org.Reader) {
		for row := range r.Rows(o) {
			if r.Live(o, row) {
				ids = append(ids, r.ID(o, row))
			}
		}
	})
	return ids
}

func idOf(s *org.Store, object, key string) (id string) {
	o := s.Model().Object(object)
	s.Read(func(r org.Reader) {
		if rows := r.Find(o, key); len(rows) > 0 {
			id = r.ID(o, rows[0])
		}
	})
	return id
}

func TestRecordsAsJSON(t *testing.T) {
	null := func(name string) org.Member { return org.Member{Name: name, Kind: org.JSONNull} }
	number := func(name, text string) org.Member {
		return org.Member{Name: name, Kind: org.JSONNumber, Text: text, Line: 1, Column: 9}
	}
	save := func(t *testing.T, s *org.Store, members ...org.Member) map[string]string {
		t.Helper()
		out := s.SaveCall("", []org.Batch{batch(t, s, "Contact", org.Upsert, "External_Id__c", record(append(members, field("External_Id__c", "k"))...))}, false)
		if out[0].Result == org.Failed {
			t.Fatalf("got %v", out[0].Error)
		}
		return fields(t, s, "Contact", "k")
	}
	t.Run("null and the empty text clear, an absent member leaves alone", func(t *testing.T) {
		s := newStore(t)
		save(t, s, field("LastName", "L"), field("Email", "a@b.example"), field("Phone", "1"), number("Visits__c", "3"))
		f := save(t, s, null("Email"), field("Phone", ""))
		if f["Email"] != "" || f["Phone"] != "" || f["Visits__c"] != "3" || f["LastName"] != "L" {
			t.Errorf("got %v", f)
		}
	})
	t.Run("the text that clears a CSV cell is a text like any other", func(t *testing.T) {
		s := newStore(t)
		if f := save(t, s, field("LastName", org.Null)); f["LastName"] != "#N/A" {
			t.Errorf("got %v", f)
		}
	})
	t.Run("a number keeps the digits that were sent", func(t *testing.T) {
		s := newStore(t)
		if f := save(t, s, field("LastName", "L"), number("Score__c", "123.45")); f["Score__c"] != "123.45" {
			t.Errorf("got %v", f)
		}
	})
	for _, tc := range []struct {
		does   string
		member org.Member
		want   string
	}{
		{"no field has", field("Nope__c", "x"), "INVALID_FIELD:No such column 'Nope__c' on sobject of type Contact:--"},
		{"no text can be", number("LastName", "5"), "JSON_PARSER_ERROR:Cannot deserialize instance of string from VALUE_NUMBER_INT value 5 or request may be missing a required field at [line:1, column:9]:--"},
		{"no date can be", org.Member{Name: "Born__c", Kind: org.JSONText, Text: "2.1.2020", Line: 2, Column: 4}, "JSON_PARSER_ERROR:Cannot deserialize instance of date from VALUE_STRING value 2.1.2020 or request may be missing a required field at [line:2, column:4]:--"},
		{"no field can be", org.Member{Name: "Vip__c", Kind: org.JSONArray, Line: 1, Column: 2}, "JSON_PARSER_ERROR:Cannot deserialize instance of boolean from START_ARRAY value [ or request may be missing a required field at [line:1, column:2]:--"},
		{"a parent has no field for", parent("Account", "Nope__c", "x"), "INVALID_FIELD:No such column 'Nope__c' on sobject of type Account:--"},
		{"a relationship cannot be", field("Account", "x"), "INVALID_FIELD:The value provided for foreign key reference Account is not a nested SObject:--"},
		{
			"names a parent twice",
			org.Member{Name: "Account", Kind: org.JSONObject, Members: []org.Member{field("External_Id__c", "x"), field("Legacy__c", "y")}},
			"INVALID_FIELD:More than 1 field provided in an external foreign key reference in entity: Account:--",
		},
	} {
		t.Run("a whole call fails by a member that "+tc.does, func(t *testing.T) {
			s := newStore(t)
			_, _, problem := s.NewRecordPlan(s.Model().Object("Contact"), org.Insert, "", []org.Member{record(field("LastName", "L")), record(tc.member)})
			if problem.Error() != tc.want {
				t.Errorf("got %q", problem)
			}
		})
	}
	t.Run("one record fails by a field that nobody may write", func(t *testing.T) {
		s := newStore(t)
		out := s.SaveCall("", []org.Batch{batch(t, s, "Contact", org.Insert, "",
			record(field("LastName", "L"), field("CreatedDate", "2020-01-01T00:00:00Z"), field("Rank__c", "1")), record(field("LastName", "M")))}, false)
		if out[0].Error == nil || out[0].Error.Code != "INVALID_FIELD_FOR_INSERT_UPDATE" || strings.Join(out[0].Error.Fields, ",") != "CreatedDate,Rank__c" || out[1].Result != org.Created {
			t.Errorf("got %v, %+v", out[0].Error, out[1])
		}
	})
}
