package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/switches"
)

func TestReadJSON(t *testing.T) {
	t.Run("every value knows its place, in characters", func(t *testing.T) {
		root, err := readJSON([]byte("{\"é\": 1,\n  \"b\": [true, \"x\"]}"))
		if err != nil {
			t.Fatal(err)
		}
		list := root.Member("B")
		got := fmt.Sprint(root.Line, root.Column, root.Members[0].Line, root.Members[0].Column, list.Line, list.Column, list.Members[1].Line, list.Members[1].Column)
		if got != "1 1 1 7 2 8 2 15" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("numbers keep the digits that were sent", func(t *testing.T) {
		root, err := readJSON([]byte(`[1.10, 12345678901234567890, 1e3]`))
		if err != nil || root.Members[0].Text != "1.10" || root.Members[1].Text != "12345678901234567890" || root.Members[2].Text != "1e3" {
			t.Errorf("got %+v, %v", root, err)
		}
	})
	for _, tc := range []struct{ does, body, part string }{
		{"two documents", `{} {}`, "behind the end"},
		{"a member twice, whatever its case", `{"Name":1,"name":2}`, "Duplicate field 'name'"},
		{"a document that nests too deep", strings.Repeat("[", 20) + strings.Repeat("]", 20), "nested too deep"},
		{"bytes that are no UTF-8", "{\"a\":\"\xff\"}", "UTF-8"},
		{"a list that ends too early", `[1,`, "end-of-input"},
		{"a brace too few", `{"a":{"b":1}`, "end-of-input"},
		{"a word that is no value", `{"a":nope}`, "Unexpected character"},
	} {
		t.Run("refuses "+tc.does, func(t *testing.T) {
			_, err := readJSON([]byte(tc.body))
			var refusal *bulk.Error
			if !errors.As(err, &refusal) || refusal.Code != "JSON_PARSER_ERROR" || !strings.Contains(refusal.Message, tc.part) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("the place of the last of many values on one line is right", func(t *testing.T) {
		root, err := readJSON([]byte("[" + strings.Repeat(`{"a":1},`, 5_000) + "{}]"))
		if err != nil || len(root.Members) != 5_001 || root.Members[5_000].Column != 1+5_000*len(`{"a":1},`)+1 {
			t.Errorf("got %d values, %v", len(root.Members), err)
		}
	})
}

// rebuild is the inverse of readJSON, as far as values go.
func rebuild(m *org.Member) any {
	switch m.Kind {
	case org.JSONNull:
		return nil
	case org.JSONText:
		return m.Text
	case org.JSONNumber:
		return json.Number(m.Text)
	case org.JSONBool:
		return m.Text == "true"
	case org.JSONArray:
		list := []any{}
		for i := range m.Members {
			list = append(list, rebuild(&m.Members[i]))
		}
		return list
	default:
		object := map[string]any{}
		for i := range m.Members {
			object[m.Members[i].Name] = rebuild(&m.Members[i])
		}
		return object
	}
}

func FuzzReadJSONAgreesWithTheStandardReader(f *testing.F) {
	for _, seed := range []string{
		`{"allOrNone":true,"records":[{"attributes":{"type":"Account"},"Name":"x","Parent":{"Key__c":null}}]}`, `[1,2.5e-3,"\u0000",false]`, `{"a":1,"A":2}`,
		`nul`, "\xef\xbb\xbf{}", `"\ud800"`, `{"a":}`, ``, ` `, `[[[[`, "{\"a\":1}\n{}", `-0`, `{"":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		root, err := readJSON(body)
		if err != nil {
			var refusal *bulk.Error
			if !errors.As(err, &refusal) {
				t.Fatalf("%q: %v is no refusal", body, err)
			}
			return
		}
		dec := json.NewDecoder(strings.NewReader(string(body)))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("%q was read, but %v", body, err)
		}
		got, errGot := json.Marshal(rebuild(root))
		expected, errWant := json.Marshal(want)
		if errGot != nil || errWant != nil || string(got) != string(expected) {
			t.Errorf("%q: got %s %v, want %s %v", body, got, errGot, expected, errWant)
		}
	})
}

func FuzzRecordsFromOutside(f *testing.F) {
	const model = `
objects:
  - name: Account
    keyPrefix: "001"
    fields:
      - {name: Name, type: string, required: true}
      - {name: Key__c, type: double, precision: 9, scale: 2, externalId: true, unique: true}
      - {name: ParentId, type: reference, referenceTo: Account, relationshipName: Parent}
      - {name: AboutId, type: reference, referenceTo: [Account, User], relationshipName: About}
      - {name: Since__c, type: date}
      - {name: Active__c, type: boolean}
`
	m, err := org.ReadModel([]byte(model))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		`[{"Name":"x","Key__c":1.5},{"Key__c":"1.50","Parent":{"Key__c":2}}]`, `[{"About":{"attributes":{"type":"User"},"Username":"x"}},{"About":null}]`,
		`[{"id":"001000000000000AAA","Since__c":"2020-02-30","Active__c":null}]`, `[{"Parent":{"Id":"x"}},{"Parent":{}},{"Parent":[]},7]`,
		`[{"Id":"","Name":"#N/A","Key__c":null},{"attributes":1,"CreatedDate":""}]`,
	} {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, allOrNone bool) {
		root, err := readJSON(body)
		if err != nil {
			return
		}
		s := org.NewStore(org.Config{
			Model: m, Seed: 1, Username: "integration@bulkhead.example", Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
			Switches: switches.NewStore(),
		})
		o := m.Object("Account")
		for _, operation := range []org.Operation{org.Insert, org.Upsert, org.Update, org.Delete} {
			p, rows, problem := s.NewRecordPlan(o, operation, "Key__c", root.Members)
			if problem != nil {
				if problem.Code == "" || problem.Message == "" {
					t.Errorf("%q: %+v says nothing", body, problem)
				}
				continue
			}
			before := s.Counts(false)["Account"].Rows
			created, deleted, failed := 0, 0, 0
			out := s.SaveCall("", []org.Batch{{Plan: p, Rows: rows}}, allOrNone)
			for _, r := range out {
				switch r.Result {
				case org.Created:
					created++
				case org.Deleted:
					deleted++
				case org.Failed:
					failed++
				}
			}
			if len(out) != len(root.Members) || (allOrNone && failed > 0 && failed < len(out)) {
				t.Errorf("%q: %d records, %d outcomes, %d failed", body, len(root.Members), len(out), failed)
			}
			if got := s.Counts(false)["Account"].Rows; got != before+created-deleted {
				t.Errorf("%q: %d rows after %d, %d created, %d deleted", body, got, before, created, deleted)
			}
		}
	})
}
