package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/orgsim/internal/switches"
)

// ended is what became of the row of an upload whose Conf_Key__c is key: the text of sf__Error, "" for a row that was
// saved, and its Id.
type ending struct{ id, created, problem string }

// load runs a job and returns what became of its rows, by the named column.
func (o *org) load(s spec, by, content string) map[string]ending {
	o.t.Helper()
	id, info := o.process(s, content)
	if info["state"] != "JobComplete" {
		o.t.Fatalf("the job ended as %v: %v", info["state"], info["errorMessage"])
	}
	out := map[string]ending{}
	for _, r := range o.rows(id, successful) {
		out[r[by]] = ending{id: r["sf__Id"], created: r["sf__Created"]}
	}
	for _, r := range o.rows(id, failed) {
		out[r[by]] = ending{id: r["sf__Id"], problem: r["sf__Error"]}
	}
	return out
}

// one runs a job of one row.
func (o *org) one(s spec, header, row string) ending {
	o.t.Helper()
	by, _, _ := strings.Cut(header, ",")
	all := o.load(s, by, header+"\n"+row+"\n")
	if len(all) != 1 {
		o.t.Fatalf("one row came to %v", all)
	}
	for _, e := range all {
		return e
	}
	return ending{}
}

// select1 is the only record that a query finds.
func (o *org) select1(query string) map[string]any {
	o.t.Helper()
	found := o.selectAll("query", query)
	if len(found) != 1 {
		o.t.Fatalf("%s: found %v", query, found)
	}
	return found[0]
}

func (o *org) selectAll(resource, query string) []map[string]any {
	o.t.Helper()
	a := o.want(o.call("GET", data+"/"+resource+"?q="+url.QueryEscape(query), ""), 200)
	return decode[struct {
		Records []map[string]any `json:"records"`
	}](o.t, a).Records
}

func insert(object string) spec { return spec{"object": object, "operation": "insert"} }

func update(object string) spec { return spec{"object": object, "operation": "update"} }

func remove(object string) spec { return spec{"object": object, "operation": "delete"} }

func upsert(object, key string) spec {
	return spec{"object": object, "operation": "upsert", "externalIdFieldName": key}
}

// wide is a row of many columns, most of them empty.
type wide []string

func (w wide) row(cells map[string]string) string {
	out := make([]string, len(w))
	for i, name := range w {
		out[i] = `"` + strings.ReplaceAll(cells[name], `"`, `""`) + `"`
	}
	return strings.Join(out, ",") + "\n"
}

func (w wide) column(name string) int { return slices.Index(w, name) }

// What a row's own values do, and the text of its failure.
func TestValues(t *testing.T) {
	o := theOrg(t)
	header := wide{
		"Conf_Key__c", "FirstName", "LastName", "Email", "Birthdate", "DoNotCall", "Conf_At__c", "Conf_Number__c", "Conf_Level__c",
		"Conf_Code__c", "AccountId",
	}
	unfit := func(column, value, xsd string) string {
		return fmt.Sprintf("INVALID_FIELD:Failed to deserialize field at col %d. Due to, '%s' is not a valid value for the type xsd:%s:%s --",
			header.column(column), value, xsd, column)
	}
	long := strings.Repeat("é", 81)
	cases := []struct {
		does, column, value string
		want                string // the text of the failure
		stored              any    // for a row that is saved
	}{
		{does: "a text of exactly its length counts in characters", column: "LastName", value: long[:160], stored: long[:160]},
		{
			does: "a text that is longer fails with the label, the value and the length", column: "LastName", value: long,
			want: "STRING_TOO_LONG:Last Name: data value too large: " + long + " (max length=80):LastName --",
		},
		{
			does: "a required field that is cleared is missing", column: "LastName", value: "#N/A",
			want: "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --",
		},
		{
			does: "an e-mail address without a domain fails", column: "Email", value: "nobody",
			want: "INVALID_EMAIL_ADDRESS:Email: invalid email address: nobody:Email --",
		},
		{does: "a date is a day without time or zone", column: "Birthdate", value: "1999-12-31", stored: "1999-12-31"},
		{
			does: "a date in another form fails with the place of its column, counted from 0", column: "Birthdate", value: "31.12.1999",
			want: unfit("Birthdate", "31.12.1999", "date"),
		},
		{does: "a day that no calendar has fails", column: "Birthdate", value: "1999-02-30", want: unfit("Birthdate", "1999-02-30", "date")},
		{does: "a date with an offset fails", column: "Birthdate", value: "1999-12-31Z", want: unfit("Birthdate", "1999-12-31Z", "date")},
		{does: "true in any case is true", column: "DoNotCall", value: "TRUE", stored: true},
		{does: "1 is true", column: "DoNotCall", value: "1", stored: true},
		{does: "0 is false", column: "DoNotCall", value: "0", stored: false},
		{does: "a word that is neither true nor false fails", column: "DoNotCall", value: "yes", want: unfit("DoNotCall", "yes", "boolean")},
		{does: "a date-time in UTC", column: "Conf_At__c", value: "2026-01-02T03:04:05Z", stored: "2026-01-02T03:04:05.000+0000"},
		{does: "a date-time with thousandths", column: "Conf_At__c", value: "2026-01-02T03:04:05.000Z", stored: "2026-01-02T03:04:05.000+0000"},
		{does: "a date-time with an offset", column: "Conf_At__c", value: "2026-01-02T03:04:05+02:00", stored: "2026-01-02T01:04:05.000+0000"},
		{
			does: "a date-time without its zone fails", column: "Conf_At__c", value: "2026-01-02T03:04:05",
			want: unfit("Conf_At__c", "2026-01-02T03:04:05", "dateTime"),
		},
		{does: "a number", column: "Conf_Number__c", value: "-12.50", stored: -12.5},
		{does: "a number with an exponent", column: "Conf_Number__c", value: "1.25e2", stored: 125.0},
		{does: "a number with a comma fails", column: "Conf_Number__c", value: "1,5", want: unfit("Conf_Number__c", "1,5", "double")},
		{
			does: "a number with more digits than the field has fails", column: "Conf_Number__c", value: "12345678901.00",
			want: "NUMBER_OUTSIDE_VALID_RANGE:Conf Number: value outside of valid range on numeric field: 12345678901.00:Conf_Number__c --",
		},
		{does: "a value that a restricted picklist has", column: "Conf_Level__c", value: "low", stored: "low"},
		{
			does: "a value that it does not have fails with the label", column: "Conf_Level__c", value: "medium",
			want: "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:Conf Level: bad value for restricted picklist field: medium:Conf_Level__c --",
		},
		{
			does: "spaces around a value belong to it", column: "Conf_Level__c", value: " low",
			want: "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:Conf Level: bad value for restricted picklist field:  low:Conf_Level__c --",
		},
		{
			does: "a reference that is no id fails", column: "AccountId", value: "123",
			want: "MALFORMED_ID:Account ID: id value of incorrect type: 123:AccountId --",
		},
	}
	content := strings.Join(header, ",") + "\n"
	for i, c := range cases {
		cells := map[string]string{"Conf_Key__c": o.key(fmt.Sprint("v", i)), "LastName": "Value"}
		cells[c.column] = c.value
		content += header.row(cells)
	}
	got := o.load(insert("Contact"), "Conf_Key__c", content)
	for i, c := range cases {
		t.Run(c.does, func(t *testing.T) {
			key := o.key(fmt.Sprint("v", i))
			if e := got[key]; e.problem != c.want {
				t.Fatalf("got  %s\nwant %s", e.problem, c.want)
			}
			if c.want != "" {
				return
			}
			if r := o.select1("SELECT " + c.column + " FROM Contact WHERE Conf_Key__c = '" + key + "'"); r[c.column] != c.stored {
				t.Errorf("stored %v, want %v", r[c.column], c.stored)
			}
		})
	}
	t.Run("every missing required field is named", func(t *testing.T) {
		e := o.one(insert("Lead"), "Conf_Key__c", o.key("v-missing"))
		if want := "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName, Company]:LastName,Company --"; e.problem != want {
			t.Errorf("got  %s\nwant %s", e.problem, want)
		}
	})
	t.Run("a picklist that is not restricted takes any value", func(t *testing.T) {
		e := o.one(insert("Account"), "Conf_Key__c,Name,Industry", o.key("v-pick")+",Any,Beekeeping")
		if e.problem != "" {
			t.Error(e.problem)
		}
	})
	t.Run("a value that another record has in a unique field fails with that record's short id", func(t *testing.T) {
		first := o.one(insert("Contact"), "Conf_Key__c,LastName,Conf_Code__c", o.key("u1")+",A,"+o.key("code"))
		second := o.one(insert("Contact"), "Conf_Key__c,LastName,Conf_Code__c", o.key("u2")+",B,"+strings.ToUpper(o.key("code")))
		if want := "DUPLICATE_VALUE:duplicate value found: Conf_Code__c duplicates value on record with id: " + first.id[:15] + ":--"; second.problem != want {
			t.Errorf("got  %s\nwant %s", second.problem, want)
		}
		other := o.one(insert("Contact"), "Conf_Key__c,LastName", o.key("u3")+",C")
		if e := o.one(update("Contact"), "Id,Conf_Code__c", other.id+","+o.key("code")); !strings.HasPrefix(e.problem, "DUPLICATE_VALUE:") || e.id != other.id {
			t.Errorf("an update takes the value of another record: %+v", e)
		}
		if e := o.one(update("Contact"), "Id,Conf_Code__c", first.id+","+strings.ToUpper(o.key("code"))); e.problem != "" {
			t.Errorf("a record cannot write its own value in another case: %s", e.problem)
		}
	})
	t.Run("a row that fails does not disturb the others of its transaction", func(t *testing.T) {
		got := o.load(insert("Contact"), "Conf_Key__c", "Conf_Key__c,LastName\n"+o.key("p1")+",A\n"+o.key("p2")+",\n"+o.key("p3")+",C\n")
		if got[o.key("p1")].problem != "" || got[o.key("p2")].problem == "" || got[o.key("p3")].problem != "" {
			t.Errorf("got %v", got)
		}
	})
}

// What an empty cell and #N/A do.
func TestEmptyAndNull(t *testing.T) {
	o := theOrg(t)
	key := o.key("null")
	read := func() map[string]any {
		return o.select1("SELECT FirstName, LastName, Email, DoNotCall FROM Contact WHERE Conf_Key__c = '" + key + "'")
	}
	const header = "Conf_Key__c,FirstName,LastName,Email,DoNotCall"
	made := o.one(insert("Contact"), header, key+`,,Last,n@conf.example,true`)
	t.Run("an empty cell stores nothing on insert", func(t *testing.T) {
		if r := read(); made.problem != "" || r["FirstName"] != nil || r["LastName"] != "Last" {
			t.Errorf("%s: got %v", made.problem, r)
		}
	})
	t.Run("an empty cell leaves a field as it is on update, quoted or not", func(t *testing.T) {
		e := o.one(upsert("Contact", "Conf_Key__c"), header, key+`,First,,"",`)
		if r := read(); e.problem != "" || r["FirstName"] != "First" || r["LastName"] != "Last" || r["Email"] != "n@conf.example" || r["DoNotCall"] != true {
			t.Errorf("%s: got %v", e.problem, r)
		}
	})
	t.Run("#N/A clears a field", func(t *testing.T) {
		e := o.one(upsert("Contact", "Conf_Key__c"), header, key+`,#N/A,,#N/A,`)
		if r := read(); e.problem != "" || r["FirstName"] != nil || r["Email"] != nil || r["LastName"] != "Last" {
			t.Errorf("%s: got %v", e.problem, r)
		}
	})
}

// What an upsert finds.
func TestUpsert(t *testing.T) {
	o := theOrg(t)
	s := upsert("Contact", "Conf_Key__c")
	t.Run("no match inserts", func(t *testing.T) {
		if e := o.one(s, "Conf_Key__c,LastName", o.key("up")+",A"); e.problem != "" || e.created != "true" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("one match updates", func(t *testing.T) {
		if e := o.one(s, "Conf_Key__c,LastName", o.key("up")+",B"); e.problem != "" || e.created != "false" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("several matches fail with the label and every short id", func(t *testing.T) {
		group := o.key("group")
		got := o.load(insert("Account"), "Name", "Name,Conf_Group__c\nG1,"+group+"\nG2,"+group+"\n")
		e := o.one(upsert("Account", "Conf_Group__c"), "Conf_Group__c,Name", group+",G")
		one, two := got["G1"].id[:15], got["G2"].id[:15]
		const form = "DUPLICATE_EXTERNAL_ID:Conf Group: more than one record found for external id field: [%s, %s]:--"
		if e.problem != fmt.Sprintf(form, one, two) && e.problem != fmt.Sprintf(form, two, one) {
			t.Errorf("got %s, want one of %s and %s", e.problem, one, two)
		}
	})
	t.Run("a row that fails names no record, even where there is one", func(t *testing.T) {
		if e := o.one(s, "Conf_Key__c,LastName", o.key("up")+",#N/A"); e.problem == "" || e.id != "" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("a blank key fails", func(t *testing.T) {
		e := o.one(s, "LastName,Conf_Key__c", "Blank,")
		if !strings.HasPrefix(e.problem, "MISSING_ARGUMENT:") {
			t.Errorf("got %s", e.problem)
		}
	})
	t.Run("the same new key in another transaction of the job updates", func(t *testing.T) {
		content := "Conf_Key__c,LastName\n"
		for i := range 200 {
			content += o.key(fmt.Sprint("x", i)) + ",First\n"
		}
		id, info := o.process(s, content+o.key("x0")+",Second\n")
		created := map[string]int{}
		for _, r := range o.rows(id, successful) {
			created[r["sf__Created"]]++
		}
		if info["numberRecordsFailed"] != 0.0 || created["true"] != 200 || created["false"] != 1 {
			t.Errorf("got %v, %v failed", created, info["numberRecordsFailed"])
		}
	})
	t.Run("an Id column that is blank changes nothing", func(t *testing.T) {
		if e := o.one(s, "Conf_Key__c,Id,LastName", o.key("up")+",,C"); e.problem != "" {
			t.Error(e.problem)
		}
	})
}

// The same key twice in one transaction.
func TestTheSameKeyTwice(t *testing.T) {
	run := func(t *testing.T, o *org) []string {
		content := "Conf_Key__c,LastName\n" + "k,One\nx,Two\nK,Three\n"
		id, _ := o.process(upsert("Contact", "Conf_Key__c"), content)
		var out []string
		for _, r := range o.rows(id, failed) {
			out = append(out, r["LastName"]+" "+r["sf__Error"])
		}
		slices.Sort(out)
		return out
	}
	const one, three = "One DUPLICATE_VALUE:Duplicate external id specified: k:Conf_Key__c --",
		"Three DUPLICATE_VALUE:Duplicate external id specified: K:Conf_Key__c --"
	t.Run("fails every row that has it", func(t *testing.T) {
		if got := run(t, aSim(t)); !slices.Equal(got, []string{one, three}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("fails every row but the first, where the switch says so", func(t *testing.T) {
		o := aSim(t)
		o.sim.Move(switches.SameKeyTwice, switches.AllButFirst)
		if got := run(t, o); !slices.Equal(got, []string{three}) {
			t.Errorf("got %q", got)
		}
	})
}

// Upserts of one key in batches that run at the same time.
func TestParallelKeys(t *testing.T) {
	// content brings one new key in two transactions.
	content := func(key string) string {
		b := key + ",Name\nsame,First\n"
		for i := range 199 {
			b += fmt.Sprintf("other%d,First\n", i)
		}
		return b + "same,Second\n"
	}
	run := func(t *testing.T, key string, to switches.Position, batch int) (o *org, problems []string) {
		o = aSim(t)
		o.sim.Move(switches.ParallelKeys, to)
		o.sim.Set(map[string]any{"batch_rows": batch, "parallel_batches": 1})
		id, _ := o.process(upsert("Account", key), content(key))
		for _, r := range o.rows(id, failed) {
			problems = append(problems, r["sf__Error"])
		}
		return o, problems
	}
	t.Run("the second updates what the first inserted", func(t *testing.T) {
		o, problems := run(t, "Conf_Key__c", switches.Seen, 200)
		if r := o.select1("SELECT Name FROM Account WHERE Conf_Key__c = 'same'"); problems != nil || r["Name"] != "Second" {
			t.Errorf("got %v, %v", r, problems)
		}
	})
	t.Run("that do not see each other, the second fails where the field is unique", func(t *testing.T) {
		_, problems := run(t, "Conf_Key__c", switches.Raced, 200)
		if len(problems) != 1 || !strings.HasPrefix(problems[0], "DUPLICATE_VALUE:duplicate value found: Conf_Key__c duplicates value on record with id: 001") {
			t.Errorf("got %q", problems)
		}
	})
	t.Run("that do not see each other, there are two records where it is not", func(t *testing.T) {
		o, problems := run(t, "Conf_Group__c", switches.Raced, 200)
		if two := o.selectAll("query", "SELECT Id FROM Account WHERE Conf_Group__c = 'same'"); problems != nil || len(two) != 2 {
			t.Errorf("got %v, %v", two, problems)
		}
	})
	t.Run("that do not see each other are two batches, not two transactions of one", func(t *testing.T) {
		o, problems := run(t, "Conf_Key__c", switches.Raced, 400)
		if r := o.select1("SELECT Name FROM Account WHERE Conf_Key__c = 'same'"); problems != nil || r["Name"] != "Second" {
			t.Errorf("got %v, %v", r, problems)
		}
	})
}

// Upsert with Id as its key.
func TestUpsertByID(t *testing.T) {
	t.Run("a blank Id inserts", func(t *testing.T) {
		if e := aSim(t).one(upsert("Account", "Id"), "Name,Id", "A,"); e.problem != "" || e.created != "true" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("a blank Id fails, where the switch says so", func(t *testing.T) {
		o := aSim(t)
		o.sim.Move(switches.BlankID, switches.Refused)
		if e := o.one(upsert("Account", "Id"), "Name,Id", "A,"); e.problem != "MISSING_ARGUMENT:Id not specified in an upsert call:--" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("an Id updates its record", func(t *testing.T) {
		o := theOrg(t)
		made := o.one(insert("Account"), "Name", o.key("byid"))
		for _, id := range []string{made.id, made.id[:15]} {
			if e := o.one(upsert("Account", "Id"), "Name,Id", o.key("byid2")+","+id); e.problem != "" || e.created != "false" || e.id != made.id {
				t.Errorf("got %+v", e)
			}
		}
	})
}

// An Id column in an upload whose key is another one.
func TestBlankIDColumn(t *testing.T) {
	const content = "Id,Conf_Key__c,Name\n,a,A\n,b,B\n"
	t.Run("is as good as none", func(t *testing.T) {
		for _, s := range []spec{upsert("Account", "Conf_Key__c"), insert("Account")} {
			if got := aSim(t).load(s, "Conf_Key__c", content); got["a"].problem+got["b"].problem != "" {
				t.Errorf("got %v", got)
			}
		}
	})
	t.Run("fails the job, where the switch says so", func(t *testing.T) {
		o := aSim(t)
		o.sim.Move(switches.BlankIDColumn, switches.Refused)
		_, info := o.process(insert("Account"), content)
		if info["state"] != "Failed" || info["errorMessage"] != "InvalidBatch : Field name not found : Id" {
			t.Errorf("got %v", info)
		}
	})
	t.Run("with an Id in it fails that row", func(t *testing.T) {
		o := theOrg(t)
		id := o.one(insert("Account"), "Name", "A").id
		e := o.one(upsert("Account", "Conf_Key__c"), "Conf_Key__c,Id,Name", o.key("withid")+","+id+",A")
		if !strings.HasPrefix(e.problem, "INVALID_FIELD_FOR_INSERT_UPDATE:") {
			t.Errorf("got %s", e.problem)
		}
	})
}

// A column that is there twice.
func TestRepeatedColumn(t *testing.T) {
	const content = "Conf_Key__c,Name,name\na,First,Second\n"
	t.Run("fails the job", func(t *testing.T) {
		_, info := aSim(t).process(insert("Account"), content)
		if info["state"] != "Failed" || info["errorMessage"] != "InvalidBatch : Duplicate field : name" {
			t.Errorf("got %v", info)
		}
	})
	t.Run("counts where it stands last, where the switch says so", func(t *testing.T) {
		o := aSim(t)
		o.sim.Move(switches.RepeatedColumn, switches.LastWins)
		o.load(insert("Account"), "Conf_Key__c", content)
		if r := o.select1("SELECT Name FROM Account WHERE Conf_Key__c = 'a'"); r["Name"] != "Second" {
			t.Errorf("got %v", r)
		}
	})
}

// Rows named by their Id.
func TestUpdate(t *testing.T) {
	o := theOrg(t)
	made := o.one(insert("Account"), "Name", o.key("upd"))
	for _, c := range []struct{ does, id, want string }{
		{"by the long Id saves", made.id, ""},
		{"by the short Id saves", made.id[:15], ""},
		{"without an Id fails", "", "MISSING_ARGUMENT:Id not specified in an update call:--"},
		{"by a text that is no Id fails", "123", "MALFORMED_ID:bad id 123:Id --"},
		{"by an Id of another object fails", "003" + made.id[3:15], "MALFORMED_ID:Account ID: id value of incorrect type: 003" + made.id[3:15] + ":Id --"},
		{"by an Id of another org fails", "001zz0000000001", "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"},
	} {
		t.Run(c.does, func(t *testing.T) {
			if e := o.one(update("Account"), "Name,Id", "N,"+c.id); e.problem != c.want {
				t.Errorf("got  %s\nwant %s", e.problem, c.want)
			}
		})
	}
}

// Records that go, and what is left of them.
func TestDelete(t *testing.T) {
	const gone = "ENTITY_IS_DELETED:entity is deleted:--"
	o := theOrg(t)
	key := o.key("del")
	id := o.one(insert("Account"), "Conf_Key__c,Name", key+",A").id
	if e := o.one(remove("Account"), "Id", id); e.problem != "" || e.created != "false" {
		t.Fatalf("got %+v", e)
	}
	t.Run("a deleted record answers to nothing any more", func(t *testing.T) {
		if e := o.one(update("Account"), "Name,Id", "B,"+id); e.problem != gone {
			t.Errorf("update: %s", e.problem)
		}
		if e := o.one(remove("Account"), "Id", id); e.problem != gone {
			t.Errorf("delete: %s", e.problem)
		}
		if e := o.one(insert("Contact"), "LastName,AccountId", "A,"+id); e.problem != gone {
			t.Errorf("reference: %s", e.problem)
		}
	})
	t.Run("a deleted record stays in the recycle bin", func(t *testing.T) {
		query := "SELECT Id FROM Account WHERE Id = '" + id + "'"
		if live, all := o.selectAll("query", query), o.selectAll("queryAll", query); len(live) != 0 || len(all) != 1 {
			t.Errorf("query finds %v, queryAll %v", live, all)
		}
	})
	t.Run("its unique values are free again", func(t *testing.T) {
		if e := o.one(upsert("Account", "Conf_Key__c"), "Conf_Key__c,Name", key+",C"); e.problem != "" || e.created != "true" || e.id == id {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("a record that was hard deleted is in no bin", func(t *testing.T) {
		o := aSim(t)
		o.sim.Set(map[string]any{"hard_delete": true})
		id := o.one(insert("Account"), "Name", "A").id
		if e := o.one(spec{"object": "Account", "operation": "hardDelete"}, "Id", id); e.problem != "" {
			t.Fatal(e.problem)
		}
		if all := o.selectAll("queryAll", "SELECT Id FROM Account"); len(all) != 0 {
			t.Errorf("queryAll finds %v", all)
		}
		if e := o.one(update("Account"), "Name,Id", "B,"+id); e.problem != "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--" {
			t.Errorf("got %s", e.problem)
		}
	})
}
