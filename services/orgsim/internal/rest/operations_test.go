package rest_test

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

// things has an object keyed by a text that counts case, one keyed by a text that does not, by a number, and one by
// nothing at all.
const things = `
objects:
  - name: Exact__c
    keyPrefix: "a01"
    fields:
      - {name: Code__c, type: string, length: 20, externalId: true, unique: true, caseSensitive: true}
      - {name: Note__c, type: string, length: 80}
  - name: Loose__c
    keyPrefix: "a02"
    fields:
      - {name: Code__c, type: string, length: 20, externalId: true, unique: true}
      - {name: Number__c, type: double, precision: 10, scale: 2, externalId: true, unique: true}
      - {name: Exact__c, type: reference, referenceTo: Exact__c, relationshipName: Exact__r}
      - {name: Note__c, type: string, length: 80}
  - name: Plain__c
    keyPrefix: "a03"
    fields:
      - {name: Note__c, type: string, length: 80}
`

// table reads a result file into rows by header.
func (c *client) table(id, kind string) []map[string]string {
	c.t.Helper()
	all, err := csv.NewReader(strings.NewReader(c.results(id, kind))).ReadAll()
	if err != nil {
		c.t.Fatal(err)
	}
	var out []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		out = append(out, row)
	}
	return out
}

// ids returns the Id of every row of a success file by one of its columns.
func (c *client) ids(id, column string) map[string]string {
	c.t.Helper()
	out := map[string]string{}
	for _, row := range c.table(id, "successfulResults") {
		out[row[column]] = row["sf__Id"]
	}
	return out
}

func operation(object, name string) string {
	return `{"object":"` + object + `","operation":"` + name + `"}`
}

func TestInsert(t *testing.T) {
	c := newClient(t, simtest.Model(things))
	first := c.run(operation("Exact__c", "insert"), "Code__c,Note__c\na,one\nA,two\n")
	there := c.ids(first, "Code__c")
	if len(there) != 2 || there["a"] == there["A"] {
		t.Fatalf("two values that differ in case are not two rows: %v", there)
	}
	t.Run("says true for sf__Created and gives 18 characters", func(t *testing.T) {
		for _, row := range c.table(first, "successfulResults") {
			if row["sf__Created"] != "true" || len(row["sf__Id"]) != 18 {
				t.Errorf("got %v", row)
			}
		}
	})
	t.Run("refuses a value that is taken, naming the row that has it, and gives no id", func(t *testing.T) {
		id := c.run(operation("Exact__c", "insert"), "Code__c\na\nb\n")
		failed := c.table(id, "failedResults")
		want := "DUPLICATE_VALUE:duplicate value found: Code__c duplicates value on record with id: " + there["a"][:15] + ":--"
		if len(failed) != 1 || failed[0]["sf__Error"] != want || failed[0]["sf__Id"] != "" {
			t.Errorf("got %v", failed)
		}
	})
	t.Run("takes a blank Id column and refuses an Id", func(t *testing.T) {
		id := c.run(operation("Plain__c", "insert"), "Id,Note__c\n,one\n"+there["a"]+",two\n")
		failed := c.table(id, "failedResults")
		if len(failed) != 1 || failed[0]["sf__Error"] != "INVALID_FIELD_FOR_INSERT_UPDATE:cannot specify Id in an insert call:Id --" {
			t.Errorf("got %v", failed)
		}
	})
	t.Run("makes as many identical rows as are sent", func(t *testing.T) {
		c.run(operation("Plain__c", "insert"), "Note__c\ntwin\ntwin\nsingle\n")
		got := map[string]int{}
		for _, g := range c.sim.Groups("Plain__c", "Note__c") {
			got[g.Fields["Note__c"]] = g.Rows
		}
		if got["twin"] != 2 || got["single"] != 1 {
			t.Errorf("got %v", got)
		}
		if rows := c.sim.Holding("Plain__c", "Note__c", "twin", false); len(rows) != 2 || len(rows[0].Versions) != 1 {
			t.Errorf("got %+v", rows)
		}
	})
	t.Run("finds parents by their key, with or without regard to case as the field says", func(t *testing.T) {
		id := c.run(operation("Loose__c", "insert"), "Code__c,Exact__r.Code__c\nx,A\ny,B\n")
		failed := c.table(id, "failedResults")
		if len(failed) != 1 || failed[0]["sf__Error"] != "INVALID_FIELD:Foreign key external ID: B not found for field Code__c in entity Exact__c:--" {
			t.Errorf("got %v", failed)
		}
		if row, _ := c.sim.Record("Loose__c", "x"); row.Fields["Exact__c"] != there["A"] {
			t.Errorf("got %v, want the parent %s", row.Fields, there["A"])
		}
	})
}

func TestUpdateAndDeleteByID(t *testing.T) {
	c := newClient(t, simtest.Model(things))
	loose := c.ids(c.run(operation("Loose__c", "insert"), "Code__c\na\nb\nc\n"), "Code__c")
	exact := c.ids(c.run(operation("Exact__c", "insert"), "Code__c\nA\n"), "Code__c")
	c.run(operation("Loose__c", "delete"), "Id\n"+loose["c"]+"\n")
	for _, tc := range []struct{ does, id, sfID, want string }{
		{"no Id", "", "", "MISSING_ARGUMENT:Id not specified in %s call:--"},
		{"a text that is no Id", "abc", "", "MALFORMED_ID:bad id abc:Id --"},
		{"an Id whose check characters do not fit", loose["a"][:15] + "AAB", "", "MALFORMED_ID:bad id " + loose["a"][:15] + "AAB:Id --"},
		{"an Id of another object", exact["A"], "", "MALFORMED_ID:Loose ID: id value of incorrect type: " + exact["A"] + ":Id --"},
		{"an Id that never was", "a02zz0000000001AAA", "", "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"},
		{"the Id of a deleted row", loose["c"], loose["c"], "ENTITY_IS_DELETED:entity is deleted:--"},
	} {
		for op, article := range map[string]string{"update": "an update", "delete": "a delete"} {
			t.Run(op+" refuses "+tc.does, func(t *testing.T) {
				csv := "Id,Note__c\n" + tc.id + ",x\n"
				if op == "delete" {
					csv = "Id\n\"" + tc.id + "\"\n" // quoted, because a line without a character would be no row
				}
				failed := c.table(c.run(operation("Loose__c", op), csv), "failedResults")
				want := strings.ReplaceAll(tc.want, "%s", article)
				if len(failed) != 1 || failed[0]["sf__Error"] != want || failed[0]["sf__Id"] != tc.sfID {
					t.Errorf("\n got %v\nwant %s with %q", failed, want, tc.sfID)
				}
			})
		}
	}
	t.Run("a row that was refused for its values is named by its Id", func(t *testing.T) {
		failed := c.table(c.run(operation("Loose__c", "update"), "Id,Code__c\n"+loose["a"]+",B\n"), "failedResults")
		if len(failed) != 1 || failed[0]["sf__Id"] != loose["a"] || !strings.HasPrefix(failed[0]["sf__Error"], "DUPLICATE_VALUE:") {
			t.Errorf("got %v", failed)
		}
	})
	t.Run("an update of the short form of the Id answers with the long one and says false for sf__Created", func(t *testing.T) {
		good := c.table(c.run(operation("Loose__c", "update"), "Id,Note__c\n"+loose["a"][:15]+",new\n"), "successfulResults")
		if len(good) != 1 || good[0]["sf__Id"] != loose["a"] || good[0]["sf__Created"] != "false" || good[0]["Id"] != loose["a"][:15] {
			t.Errorf("got %v", good)
		}
	})
	t.Run("a delete says false for sf__Created, and the key is free again", func(t *testing.T) {
		good := c.table(c.run(operation("Loose__c", "delete"), "Id\n"+loose["b"]+"\n"), "successfulResults")
		if len(good) != 1 || good[0]["sf__Id"] != loose["b"] || good[0]["sf__Created"] != "false" {
			t.Errorf("got %v", good)
		}
		again := c.ids(c.run(operation("Loose__c", "insert"), "Code__c\nB\n"), "Code__c")
		if again["B"] == "" || again["B"] == loose["b"] {
			t.Errorf("got %v", again)
		}
		if held := c.sim.Holding("Loose__c", "Code__c", "b", true); len(held) != 1 || !held[0].Deleted || len(held[0].Versions) != 2 {
			t.Errorf("the history of the deleted row is %+v", held)
		}
	})
	t.Run("a delete with anything but ids is refused as a whole", func(t *testing.T) {
		id := c.run(operation("Loose__c", "delete"), "Id,Note__c\n"+loose["a"]+",x\n")
		if m := c.info(id); m["state"] != "Failed" || m["errorMessage"] != "InvalidBatch : The 'delete' batch must contain only ids" {
			t.Errorf("got %v", m)
		}
	})
}

func TestQueriesKnowTheCaseOfAField(t *testing.T) {
	c := newClient(t, simtest.Model(things))
	c.run(operation("Exact__c", "insert"), "Code__c\na\nA\nb\n")
	loose := c.ids(c.run(operation("Loose__c", "insert"), "Code__c,Number__c\na,1\nb,2.5\nc,3\n"), "Code__c")
	c.run(operation("Loose__c", "delete"), "Id\n"+loose["c"]+"\n")
	c.sim.Seed("Loose__c", map[string]string{"Code__c": "seeded"})
	count := func(t *testing.T, soql string) string {
		t.Helper()
		body := c.want(c.get("/services/data/v66.0/query?q="+url.QueryEscape(soql)), http.StatusOK)
		body, _, _ = strings.Cut(strings.TrimPrefix(body, `{"totalSize":`), ",")
		return body
	}
	for _, tc := range []struct{ does, soql, want string }{
		{"a case-sensitive key finds its own case only", "SELECT Id FROM Exact__c WHERE Code__c IN ('a','B')", "1"},
		{"another key finds every case", "SELECT Id FROM Loose__c WHERE Code__c IN ('A','B')", "2"},
		{"a number is found in any form", "SELECT Id FROM Loose__c WHERE Number__c IN (1.0, 2.50)", "2"},
		{"an Id is found in either form", "SELECT Id FROM Loose__c WHERE Id IN ('" + loose["a"][:15] + "','" + loose["b"] + "')", "2"},
		{"an Id of another case is no Id of the row", "SELECT Id FROM Loose__c WHERE Id = '" + swapped(loose["a"][:15]) + "'", "0"},
		{"a deleted row is not found", "SELECT Id FROM Loose__c WHERE Code__c = 'c'", "0"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if got := count(t, tc.soql); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	t.Run("a text that is no Id is refused where an Id is wanted", func(t *testing.T) {
		a := c.get("/services/data/v66.0/query?q=" + url.QueryEscape("SELECT Id FROM Loose__c WHERE Id IN ('nope')"))
		if a.status != 400 || !strings.Contains(a.body, "INVALID_QUERY_FILTER_OPERATOR") || !strings.Contains(a.body, "invalid ID field: nope") {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
	t.Run("rows tell who made them and when", func(t *testing.T) {
		body := c.want(c.get("/services/data/v66.0/query?q="+url.QueryEscape(
			"SELECT Code__c, CreatedById, CreatedDate, LastModifiedById, LastModifiedDate FROM Loose__c ORDER BY Code__c")), http.StatusOK)
		users := []string{}
		for _, part := range strings.Split(body, `"CreatedById":"`)[1:] {
			users = append(users, part[:18])
		}
		if len(users) != 3 || users[0] != users[1] || users[0] == users[2] {
			t.Errorf("the seeded row is not somebody else's: %v in %s", users, body)
		}
		if strings.Contains(body, `"CreatedDate":null`) || strings.Contains(body, `"LastModifiedDate":null`) {
			t.Errorf("got %s", body)
		}
	})
	t.Run("one row is read by its Id until it is deleted", func(t *testing.T) {
		body := c.want(c.get("/services/data/v66.0/sobjects/Loose__c/"+loose["a"]+"?fields=Id,Code__c,CreatedById"), http.StatusOK)
		if !strings.Contains(body, `"Code__c":"a"`) || !strings.Contains(body, `"Id":"`+loose["a"]+`"`) {
			t.Errorf("got %s", body)
		}
		for _, id := range []string{loose["c"], "a02zz0000000001AAA", "nope"} {
			c.want(c.get("/services/data/v66.0/sobjects/Loose__c/"+id), http.StatusNotFound)
		}
	})
}

// swapped turns the case of the last letter of an id.
func swapped(id string) string {
	b := []byte(id)
	for i, c := range slices.Backward(b) {
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			b[i] = c ^ 0x20
			return string(b)
		}
	}
	return id
}

func TestFaultsStrikeEveryOperation(t *testing.T) {
	start := func(t *testing.T) (*client, map[string]string) {
		c := newClient(t, simtest.Model(things))
		ids := c.ids(c.run(operation("Loose__c", "insert"), "Code__c,Note__c\na,x\nb,y\n"), "Code__c")
		return c, ids
	}
	t.Run("a row of an update or delete is named by a key that only the org knows", func(t *testing.T) {
		for _, op := range []string{"update", "delete"} {
			c, ids := start(t)
			c.sim.AddFault(simtest.Fault{
				Match: simtest.Match{Operation: op}, Where: &simtest.Where{Keys: []string{"B"}},
				Effect: simtest.Effect{Kind: simtest.RowError, Error: simtest.LockError},
			})
			csv := "Id\n" + ids["a"] + "\n" + ids["b"] + "\n"
			if op == "update" {
				csv = "Id,Number__c\n" + ids["a"] + ",1\n" + ids["b"] + ",2\n"
			}
			failed := c.table(c.run(operation("Loose__c", op), csv), "failedResults")
			if len(failed) != 1 || failed[0]["Id"] != ids["b"] {
				t.Errorf("%s: got %v", op, failed)
			}
		}
	})
	t.Run("a row is named by a field that only the org knows", func(t *testing.T) {
		c, ids := start(t)
		c.sim.AddFault(simtest.Fault{
			Where:  &simtest.Where{Field: "Note__c", In: []string{"x"}},
			Effect: simtest.Effect{Kind: simtest.LoseRows},
		})
		id := c.run(operation("Loose__c", "delete"), "Id\n"+ids["a"]+"\n"+ids["b"]+"\n")
		if good := c.table(id, "successfulResults"); len(good) != 1 || good[0]["Id"] != ids["b"] {
			t.Errorf("got %v", good)
		}
		if n := c.sim.Counts()["Loose__c"].Rows; n != 0 {
			t.Errorf("a lost row was not deleted: %d are left", n)
		}
	})
	t.Run("one of two identical rows of an insert is lost", func(t *testing.T) {
		c, _ := start(t)
		c.sim.AddFault(simtest.Fault{
			Where: &simtest.Where{Field: "Note__c", In: []string{"twin"}}, Times: simtest.Times(1),
			Effect: simtest.Effect{Kind: simtest.LoseRows},
		})
		id := c.run(operation("Plain__c", "insert"), "Note__c\ntwin\ntwin\n")
		if good := c.table(id, "successfulResults"); len(good) != 1 {
			t.Errorf("got %v", good)
		}
		if n := c.sim.Counts()["Plain__c"].Rows; n != 2 {
			t.Errorf("%d rows are there", n)
		}
	})
	t.Run("a fraction draws rows that nothing names by their values", func(t *testing.T) {
		c, _ := start(t)
		c.sim.AddFault(simtest.Fault{
			Match: simtest.Match{Object: "Plain__c", Fraction: 0.5, Seed: 1}, Effect: simtest.Effect{Kind: simtest.LoseRows},
		})
		id := c.run(operation("Plain__c", "insert"), "Note__c\n"+rows(200, func(i int) string { return "n" + string(rune('a'+i%26)) + strings.Repeat("x", i/26) }))
		if n := len(c.table(id, "successfulResults")); n < 50 || n > 150 {
			t.Errorf("%d of 200 are left", n)
		}
	})
	for effect, state := range map[simtest.Kind]string{simtest.JobAbort: "Aborted", simtest.JobFail: "Failed", simtest.JobVanish: ""} {
		t.Run("a job of any operation ends by "+string(effect), func(t *testing.T) {
			c, ids := start(t)
			// In this order: what is deleted cannot be updated.
			for _, job := range [][2]string{
				{"insert", "Code__c\nn1\nn2\n"},
				{"update", "Id,Note__c\n" + ids["a"] + ",1\n" + ids["b"] + ",2\n"},
				{"delete", "Id\n" + ids["a"] + "\n" + ids["b"] + "\n"},
			} {
				op, csv := job[0], job[1]
				c.sim.AddFault(simtest.Fault{
					Match: simtest.Match{Operation: op}, Effect: simtest.Effect{Kind: effect, Rows: simtest.AfterRows(1)},
				})
				id := c.run(operation("Loose__c", op), csv)
				if state == "" {
					c.want(c.get(jobsPath+"/"+id), http.StatusNotFound)
					continue
				}
				if m := c.info(id); m["state"] != state {
					t.Errorf("%s: got %v", op, m)
				}
				if good, left := c.table(id, "successfulResults"), c.table(id, "unprocessedrecords"); len(good) != 1 || len(left) != 1 {
					t.Errorf("%s: %v landed, %v are left", op, good, left)
				}
			}
		})
	}
}
