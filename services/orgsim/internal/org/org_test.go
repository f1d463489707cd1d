package org_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/switches"
)

const model = `
objects:
  - name: Account
    keyPrefix: "001"
    fields:
      - {name: Name, type: string, length: 20, required: true}
      - {name: External_Id__c, type: string, length: 64, externalId: true, unique: true}
      - {name: Legacy__c, type: string, externalId: true}
  - name: Contact
    keyPrefix: "003"
    fields:
      - {name: LastName, type: string, length: 80, required: true}
      - {name: Email, type: email}
      - {name: Phone, type: phone}
      - {name: AccountId, label: Account ID, type: reference, referenceTo: Account, relationshipName: Account}
      - {name: LeadSource, type: picklist, values: [Web, Other], restricted: true}
      - {name: Loyalty_Number__c, type: string, length: 32, unique: true}
      - {name: External_Id__c, type: string, length: 64, externalId: true, unique: true}
      - {name: Visits__c, type: int}
      - {name: Score__c, type: double, precision: 5, scale: 2}
      - {name: Born__c, type: date}
      - {name: Seen__c, type: datetime}
      - {name: Vip__c, type: boolean}
      - {name: Rank__c, type: string, readOnly: true}
      - {name: Limit__c, type: int, access: read}
      - {name: Secret__c, type: string, access: none}
    validations:
      - {field: Phone, pattern: '\+?[0-9 ]+', message: "Phone: digits only"}
`

func newStore(t testing.TB) *org.Store {
	t.Helper()
	m, err := org.ReadModel([]byte(model))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return org.NewStore(org.Config{
		Model: m, Seed: 1, Username: "integration@bulkhead.example",
		Now: func() time.Time { at = at.Add(time.Second); return at }, Switches: switches.NewStore(),
	})
}

// save runs one transaction of an operation; the header is a comma-separated list, as is each row.
func save(t testing.TB, s *org.Store, object string, op org.Operation, key, header string, rows ...string) []org.Outcome {
	t.Helper()
	p, err := s.NewPlan(s.Model().Object(object), op, key, strings.Split(header, ","))
	if err != nil {
		t.Fatal(err)
	}
	var in []org.Row
	for i, r := range rows {
		in = append(in, org.Row{Number: uint32(i + 1), Cells: strings.Split(r, ",")})
	}
	return s.Save(p, "750000000000001AAA", in)
}

func show(out []org.Outcome) string {
	names := []string{"unprocessed", "created", "updated", "deleted", "failed"}
	var b []string
	for _, o := range out {
		b = append(b, names[o.Result])
	}
	return strings.Join(b, " ")
}

func fields(t *testing.T, s *org.Store, object, key string) map[string]string {
	t.Helper()
	o := s.Model().Object(object)
	var f map[string]string
	s.Read(func(r org.Reader) {
		if rows := r.Find(o, key); len(rows) == 1 {
			f = r.Record(o, rows[0], false).Fields
		}
	})
	return f
}

func TestUpsert(t *testing.T) {
	const header = "External_Id__c,LastName,Email,Vip__c"
	up := func(t *testing.T, s *org.Store, rows ...string) []org.Outcome {
		t.Helper()
		return save(t, s, "Contact", org.Upsert, "External_Id__c", header, rows...)
	}
	t.Run("creates what is new and updates what is there, without regard to case", func(t *testing.T) {
		s := newStore(t)
		if got := show(up(t, s, "a,One,,", "b,Two,,")); got != "created created" {
			t.Fatal(got)
		}
		if got := show(up(t, s, "A,Uno,,", "c,Three,,")); got != "updated created" {
			t.Fatal(got)
		}
		if c := s.Counts(false)["Contact"]; c.Rows != 3 || c.Seeded != 0 {
			t.Errorf("counts %+v", c)
		}
	})
	t.Run("an empty cell leaves the field alone, #N/A clears it", func(t *testing.T) {
		s := newStore(t)
		up(t, s, "a,One,a@b.example,true")
		up(t, s, "a,,,")
		if f := fields(t, s, "Contact", "a"); f["Email"] != "a@b.example" || f["LastName"] != "One" || f["Vip__c"] != "true" {
			t.Errorf("empty cells changed %v", f)
		}
		up(t, s, "a,,#N/A,#N/A")
		if f := fields(t, s, "Contact", "a"); f["Email"] != "" || f["Vip__c"] != "false" {
			t.Errorf("#N/A left %v", f)
		}
	})
	t.Run("the same key twice in a transaction fails every row that has it", func(t *testing.T) {
		s := newStore(t)
		out := up(t, s, "k,One,,", "x,Two,,", "K,Three,,")
		if got := show(out); got != "failed created failed" {
			t.Fatal(got)
		}
		if want := "DUPLICATE_VALUE:Duplicate external id specified: k:External_Id__c --"; out[0].Error.Error() != want {
			t.Errorf("got %s", out[0].Error.Error())
		}
	})
	t.Run("a key that two rows have already is for a person to merge", func(t *testing.T) {
		s := newStore(t)
		save(t, s, "Account", org.Insert, "", "Name,Legacy__c", "A,7", "B,7")
		out := save(t, s, "Account", org.Upsert, "Legacy__c", "Legacy__c,Name", "7,C")
		if !strings.HasPrefix(out[0].Error.Error(), "DUPLICATE_EXTERNAL_ID:Legacy: more than one record found for external id field: [001") {
			t.Errorf("got %+v", out[0])
		}
	})
	t.Run("a blank key is refused", func(t *testing.T) {
		out := up(t, newStore(t), ",One,,")
		if out[0].Error.Error() != "MISSING_ARGUMENT:External_Id__c not specified:External_Id__c --" {
			t.Errorf("got %s", out[0].Error.Error())
		}
	})
	t.Run("with Id as the key a blank one inserts", func(t *testing.T) {
		s := newStore(t)
		out := save(t, s, "Account", org.Upsert, "Id", "Id,Name", ",A")
		id := s.ID(s.Model().Object("Account"), out[0].ID)
		out = append(out, save(t, s, "Account", org.Upsert, "Id", "Id,Name", id+",B")...)
		if got := show(out); got != "created updated" {
			t.Error(got)
		}
	})
	t.Run("accepts a blank Id column and refuses one with values", func(t *testing.T) {
		out := save(t, newStore(t), "Account", org.Upsert, "External_Id__c", "Id,External_Id__c,Name", ",a,A", "001000000000001AAA,b,B")
		if got := show(out); got != "created failed" {
			t.Error(got)
		}
	})
	t.Run("every version is kept with its job and row", func(t *testing.T) {
		s := newStore(t)
		up(t, s, "a,One,,")
		up(t, s, "b,Two,,", "a,Uno,,")
		o := s.Model().Object("Contact")
		var rec org.Record
		s.Read(func(r org.Reader) { rec = r.Record(o, r.Find(o, "a")[0], true) })
		if len(rec.Versions) != 2 || rec.Versions[0].Fields["LastName"] != "One" || rec.Versions[1].Fields["LastName"] != "Uno" ||
			rec.Versions[1].Row != 2 || rec.Versions[1].Job != "750000000000001AAA" || !rec.Versions[1].At.After(rec.Versions[0].At) {
			t.Errorf("got %+v", rec.Versions)
		}
	})
}

func TestRowsFailWithTheTextsOfRealOrgs(t *testing.T) {
	s := newStore(t)
	if _, bad, err := s.Seed("Account", []map[string]string{{"Name": "Parent", "External_Id__c": "P1"}}); bad != nil || err != nil {
		t.Fatal(bad, err)
	}
	first := save(t, s, "Contact", org.Upsert, "External_Id__c", "External_Id__c,LastName,Loyalty_Number__c", "there,One,L1")
	short := s.ID(s.Model().Object("Contact"), first[0].ID)[:15]
	for _, tc := range []struct{ does, header, row, want string }{
		{"a missing required field", "Email", "a@b.example", "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"},
		{"a required field that is cleared", "LastName", "#N/A", "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"},
		{"a bad e-mail address", "LastName,Email", "A,nobody", "INVALID_EMAIL_ADDRESS:Email: invalid email address: nobody:Email --"},
		{"an e-mail address without a dot", "LastName,Email", "A,a@localhost", "INVALID_EMAIL_ADDRESS:Email: invalid email address: a@localhost:Email --"},
		{"a text that is too long", "LastName", strings.Repeat("x", 81), "STRING_TOO_LONG:Last Name: data value too large: " + strings.Repeat("x", 81) + " (max length=80):LastName --"},
		{"a value outside a restricted picklist", "LastName,LeadSource", "A,Radio", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:Lead Source: bad value for restricted picklist field: Radio:LeadSource --"},
		{"a value that another row has", "LastName,Loyalty_Number__c", "A,l1", "DUPLICATE_VALUE:duplicate value found: Loyalty_Number__c duplicates value on record with id: " + short + ":--"},
		{"a parent that is missing", "LastName,Account.External_Id__c", "A,p9", "INVALID_FIELD:Foreign key external ID: p9 not found for field External_Id__c in entity Account:--"},
		{"a reference that is no id", "LastName,AccountId", "A,123", "MALFORMED_ID:Account ID: id value of incorrect type: 123:AccountId --"},
		{"a reference to another object", "LastName,AccountId", "A," + short, "MALFORMED_ID:Account ID: id value of incorrect type: " + short + ":AccountId --"},
		{"a reference to nothing", "LastName,AccountId", "A,001000000000001AAA", "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"},
		{"a bad date", "LastName,Born__c", "A,02.01.2003", "INVALID_FIELD:Failed to deserialize field at col 2. Due to, '02.01.2003' is not a valid value for the type xsd:date:Born__c --"},
		{"a bad date-time", "LastName,Seen__c", "A,2003-01-02", "INVALID_FIELD:Failed to deserialize field at col 2. Due to, '2003-01-02' is not a valid value for the type xsd:dateTime:Seen__c --"},
		{"a bad boolean", "LastName,Vip__c", "A,maybe", "INVALID_FIELD:Failed to deserialize field at col 2. Due to, 'maybe' is not a valid value for the type xsd:boolean:Vip__c --"},
		{"a bad integer", "LastName,Visits__c", "A,1.5", "INVALID_FIELD:Failed to deserialize field at col 2. Due to, '1.5' is not a valid value for the type xsd:int:Visits__c --"},
		{"a bad number", "LastName,Score__c", "A,x", "INVALID_FIELD:Failed to deserialize field at col 2. Due to, 'x' is not a valid value for the type xsd:double:Score__c --"},
		{"a number out of range", "LastName,Score__c", "A,1000", "NUMBER_OUTSIDE_VALID_RANGE:Score: value outside of valid range on numeric field: 1000:Score__c --"},
		{"a date out of range", "LastName,Born__c", "A,0001-01-01", "DATE_OUT_OF_RANGE:Born: date out of range: 0001-01-01:Born__c --"},
		{"fields that may not be written", "LastName,Rank__c,Limit__c", "A,r,1", "INVALID_FIELD_FOR_INSERT_UPDATE:Unable to create/update fields: Rank__c, Limit__c. Please check the security settings of this field and verify that it is read/write for your profile or permission set.:Rank__c,Limit__c --"},
		{"a validation rule", "LastName,Phone", "A,call me", "FIELD_CUSTOM_VALIDATION_EXCEPTION:Phone: digits only:Phone --"},
		{"both forms of one reference", "LastName,AccountId,Account.External_Id__c", "A,001000000000001AAA,P1", "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			out := save(t, s, "Contact", org.Upsert, "External_Id__c", "External_Id__c,"+tc.header, "new,"+tc.row)
			if out[0].Result != org.Failed || out[0].Error.Error() != tc.want {
				t.Errorf("\n got %s\nwant %s", out[0].Error.Error(), tc.want)
			}
			if fields(t, s, "Contact", "new") != nil {
				t.Error("the row was saved all the same")
			}
		})
	}
}

func TestGoodValuesAreStoredInTheirForm(t *testing.T) {
	s := newStore(t)
	if _, bad, err := s.Seed("Account", []map[string]string{{"Name": "Parent", "External_Id__c": "P1"}}); bad != nil || err != nil {
		t.Fatal(bad, err)
	}
	out := save(t, s, "Contact", org.Upsert, "External_Id__c",
		"External_Id__c,LastName,Score__c,Seen__c,Vip__c,Account.External_Id__c,Visits__c", "a,A,1.5e1,2026-01-02T03:04:05.678+01:00,1,p1,007")
	if out[0].Result != org.Created {
		t.Fatal(out[0].Error.Error())
	}
	f := fields(t, s, "Contact", "a")
	want := map[string]string{"Score__c": "15.00", "Seen__c": "2026-01-02T02:04:05.000+0000", "Vip__c": "true", "Visits__c": "7"}
	for name, v := range want {
		if f[name] != v {
			t.Errorf("%s is %q, want %q", name, f[name], v)
		}
	}
	if parent := fields(t, s, "Account", f["AccountId"]); parent["Name"] != "Parent" {
		t.Errorf("AccountId %q leads to %v", f["AccountId"], parent)
	}
}

func TestUpdateAndDelete(t *testing.T) {
	s := newStore(t)
	out := save(t, s, "Account", org.Insert, "", "Name,External_Id__c", "A,a", "B,b")
	a, b := s.ID(s.Model().Object("Account"), out[0].ID), s.ID(s.Model().Object("Account"), out[1].ID)
	save(t, s, "Contact", org.Insert, "", "LastName,AccountId", "Child,"+b)
	if out := save(t, s, "Account", org.Update, "", "Id,Name", a+",A2", ",X", "bad,X"); show(out) != "updated failed failed" ||
		out[1].Error.Error() != "MISSING_ARGUMENT:Id not specified in an update call:--" || out[2].Error.Error() != "MALFORMED_ID:bad id bad:Id --" {
		t.Fatalf("got %+v", out)
	}
	if out := save(t, s, "Account", org.Delete, "", "Id", a[:15], b); show(out) != "deleted failed" || !strings.HasPrefix(out[1].Error.Error(), "DELETE_FAILED:") {
		t.Fatalf("got %+v", out)
	}
	if out := save(t, s, "Account", org.Update, "", "Id,Name", a+",A3"); out[0].Error.Error() != "ENTITY_IS_DELETED:entity is deleted:--" {
		t.Errorf("got %+v", out)
	}
	if out := save(t, s, "Account", org.Upsert, "External_Id__c", "External_Id__c,Name", "a,New"); out[0].Result != org.Created {
		t.Errorf("the external id of a deleted row is not free: %+v", out)
	}
	if c := s.Counts(false)["Account"]; c.Rows != 2 {
		t.Errorf("counts %+v", c)
	}
}

func TestBadHeadersFailTheWholeFile(t *testing.T) {
	s := newStore(t)
	for _, tc := range []struct{ does, op, header, want string }{
		{"an unknown field", "upsert", "External_Id__c,Nope,Nada", "InvalidBatch : Field name not found : Nope"},
		{"a byte order mark", "insert", "\ufeffLastName", "InvalidBatch : Field name not found : \ufeffLastName"},
		{"a field without access", "insert", "LastName,Secret__c", "InvalidBatch : Field name not found : Secret__c"},
		{"an unknown relationship", "insert", "LastName,Owner.Name", "InvalidBatch : Unable to find relationship: Owner"},
		{"a parent's field that is no key", "insert", "LastName,Account.Name", "InvalidBatch : Field name not found : Account.Name"},
		{"a type where there is only one", "insert", "LastName,Account:Account.External_Id__c", "InvalidBatch : type is not needed for non polymorphic foreign key references: Account"},
		{"a repeated column", "insert", "LastName,lastname", "InvalidBatch : Duplicate field : lastname"},
		{"an upsert without its key", "upsert", "LastName", "InvalidBatch : Field name not found : External_Id__c"},
		{"a delete with more than ids", "delete", "Id,LastName", "InvalidBatch : The 'delete' batch must contain only ids"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			_, err := s.NewPlan(s.Model().Object("Contact"), org.Operation(tc.op), "External_Id__c", strings.Split(tc.header, ","))
			var bad *org.HeaderError
			if !errors.As(err, &bad) || bad.Text != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestBadModelsAreRefusedWithTheirPlace(t *testing.T) {
	object := func(fields string) string {
		return "objects:\n  - name: Thing__c\n    keyPrefix: \"a00\"\n    fields:\n" + fields
	}
	for _, tc := range []struct{ does, text, part string }{
		{"an empty text", "", "names no object"},
		{"rubbish", "objects: [", "object model"},
		{"an unknown member", object("      - {name: A, type: string, colour: red}\n"), "colour"},
		{"an unknown type", object("      - {name: A, type: blob}\n"), "field A: type \"blob\""},
		{"a field twice", object("      - {name: A, type: string}\n      - {name: a, type: string}\n"), "there twice"},
		{"a field that every object has", object("      - {name: CreatedDate, type: date}\n"), "every object has"},
		{"a reference to nowhere", object("      - {name: A, type: reference, referenceTo: Nope, relationshipName: N}\n"), "referenceTo names Nope"},
		{"a reference without relationship", object("      - {name: A, type: reference, referenceTo: User}\n"), "needs referenceTo and relationshipName"},
		{"a picklist without values", object("      - {name: A, type: picklist, restricted: true}\n"), "needs values"},
		{"a default that does not fit", object("      - {name: A, type: int, default: x}\n"), "default"},
		{"an object that every org has", "objects: [{name: User, keyPrefix: \"a00\"}]", "every org has"},
		{"a prefix that is taken", "objects: [{name: A, keyPrefix: \"005\"}]", "belongs to User"},
		{"a bad prefix", "objects: [{name: A, keyPrefix: \"1\"}]", "keyPrefix"},
		{"a reference that is a part of itself", object("      - {name: A, type: reference, referenceTo: Thing__c, relationshipName: R, masterDetail: true}\n"), "cannot be a part"},
		{"a reference that is a part of several", object("      - {name: A, type: reference, referenceTo: [Thing__c, User], relationshipName: R, masterDetail: true}\n"), "several objects"},
		{"a text that is a part", object("      - {name: A, type: string, masterDetail: true}\n"), "only a reference"},
		{"a lookup that is reparentable", object("      - {name: A, type: reference, referenceTo: User, relationshipName: R, reparentable: true}\n"), "reparentable is for masterDetail"},
		{"a reference to one object twice", object("      - {name: A, type: reference, referenceTo: [User, User], relationshipName: R}\n"), "names User twice"},
		{"a hierarchy of two objects", object("      - {name: A, type: reference, referenceTo: User, relationshipName: R, hierarchy: true}\n"), "object itself"},
		{"an unknown access", object("      - {name: A, type: string, access: some}\n"), "access \"some\""},
		{"a lookup filter on a field that is not there", object("      - {name: A, type: reference, referenceTo: User, relationshipName: R, lookupFilter: parent.Nope == null}\n"), "lookupFilter"},
		{"a rule over a field that is not there", object("      - {name: A, type: string}\n    validations: [{refuse: new.B == null, message: x}]\n"), "undeclared reference"},
		{"a rule that comes to a text", object("      - {name: A, type: string}\n    validations: [{refuse: new.A, message: x}]\n"), "true or false"},
		{"a rule that compares a text with a number", object("      - {name: A, type: string}\n    validations: [{refuse: new.A > 1.0, message: x}]\n"), "no matching overload"},
		{"a rule that is no expression", object("      - {name: A, type: string}\n    validations: [{name: r, refuse: 'new.A ==', message: x}]\n"), "validation r"},
		{"a rule of both forms", object("      - {name: A, type: string}\n    validations: [{field: A, pattern: x, refuse: isNew, message: x}]\n"), "either refuse"},
		{"a rule without a message", object("      - {name: A, type: string}\n    validations: [{refuse: isNew}]\n"), "needs a message"},
		{"a rule that blames a field that is not there", object("      - {name: A, type: string}\n    validations: [{refuse: isNew, message: x, fields: [B]}]\n"), "no field B"},
		{"a lock over new values", object("      - {name: A, type: string}\n    locked: new.A == null\n"), "locked"},
		{"a duplicate rule without fields", object("      - {name: A, type: string}\n    duplicateRules: [{name: r}]\n"), "needs fields"},
		{"a duplicate rule over a field that is not there", object("      - {name: A, type: string}\n    duplicateRules: [{name: r, match: [B]}]\n"), "no field B"},
		{"a duplicate rule that does something else", object("      - {name: A, type: string}\n    duplicateRules: [{name: r, match: [A], action: warn}]\n"), "action"},
		{"a trigger on nothing", object("      - {name: A, type: string}\n    triggers: [{name: T, refuse: isNew, error: x}]\n"), "on must name"},
		{"a trigger on upsert", object("      - {name: A, type: string}\n    triggers: [{name: T, on: [upsert], refuse: isNew, error: x}]\n"), "upsert"},
		{"a trigger without a rule", object("      - {name: A, type: string}\n    triggers: [{name: T, on: [insert], error: x}]\n"), "the rule is empty"},
		{"a trigger without an error", object("      - {name: A, type: string}\n    triggers: [{name: T, on: [insert], refuse: isNew}]\n"), "needs an error"},
		{"a trigger whose name is no name", object("      - {name: A, type: string}\n    triggers: [{name: 'T:x', on: [insert], refuse: isNew, error: x}]\n"), "name must be"},
		{"a bad pattern", "objects: [{name: A, keyPrefix: \"a00\", fields: [{name: B, type: string}], validations: [{field: B, pattern: \"(\", message: x}]}]", "pattern"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if _, err := org.ReadModel([]byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.part) {
				t.Errorf("got %v, want something about %q", err, tc.part)
			}
		})
	}
}

func TestSeedingReportsWhatItRefuses(t *testing.T) {
	s := newStore(t)
	created, bad, err := s.Seed("Contact", []map[string]string{{"LastName": "A"}, {"Email": "x"}, {"Nope": "x"}})
	if err != nil || created != 1 || len(bad) != 2 || bad[0].Index != 1 || bad[1].Index != 2 {
		t.Errorf("got %d, %+v, %v", created, bad, err)
	}
	if c := s.Counts(false)["Contact"]; c.Rows != 1 || c.Seeded != 1 {
		t.Errorf("counts %+v", c)
	}
	if _, _, err := s.Seed("User", nil); err == nil {
		t.Error("a read-only object was seeded")
	}
}

func TestTheSameSeedIsTheSameOrg(t *testing.T) {
	a, b := newStore(t), newStore(t)
	if a.Identity() != b.Identity() || a.NewID("750", 3) != b.NewID("750", 3) {
		t.Error("two orgs of one seed differ")
	}
	if id := a.Identity().OrgID; len(id) != 18 || !strings.HasPrefix(id, "00D") {
		t.Errorf("org id %s", id)
	}
	m, _ := org.ReadModel([]byte(model))
	if c := org.NewStore(org.Config{Model: m, Seed: 2, Username: "x@y.example", Now: time.Now, Switches: switches.NewStore()}); c.Identity().OrgID == a.Identity().OrgID {
		t.Error("two seeds have one org id")
	}
}

// A model of the upsert: a map by folded key. Whatever the order and the splitting into transactions, the org holds
// what the map holds, and its digest does not depend on the order.
func TestUpsertsAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStore(t)
		want := map[string]string{}
		n := rapid.IntRange(1, 20).Draw(rt, "transactions")
		for i := range n {
			keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "A", "b", "c", "C", "d"}), 1, 4, strings.ToLower).Draw(rt, "keys")
			var rows []string
			for j, k := range keys {
				name := fmt.Sprintf("n%d-%d", i, j)
				rows = append(rows, k+","+name)
				want[strings.ToLower(k)] = name
			}
			for _, o := range save(t, s, "Account", org.Upsert, "External_Id__c", "External_Id__c,Name", rows...) {
				if o.Result == org.Failed {
					rt.Fatal(o.Error)
				}
			}
		}
		if c := s.Counts(false)["Account"]; c.Rows != len(want) {
			rt.Fatalf("%d rows, want %d", c.Rows, len(want))
		}
		for k, name := range want {
			if f := fields(t, s, "Account", k); f["Name"] != name {
				rt.Fatalf("%s is %v, want %s", k, f, name)
			}
		}
	})
}

func TestTheDigestIsOfTheContentOnly(t *testing.T) {
	build := func(rows ...string) string {
		s := newStore(t)
		for _, r := range rows {
			save(t, s, "Account", org.Upsert, "External_Id__c", "External_Id__c,Name", "x"+r[:1]+",X")
			save(t, s, "Contact", org.Upsert, "External_Id__c", "External_Id__c,LastName,Account.External_Id__c", r+",x"+r[:1])
		}
		return s.Counts(true)["Contact"].Digest
	}
	if build("a,1", "b,2") != build("b,2", "a,0", "a,1") {
		t.Error("the order or the history counts")
	}
	if build("a,1", "b,2") == build("a,1", "b,3") {
		t.Error("the content does not count")
	}
}

func TestKeysThatMeanTheSameNumberAreOneKey(t *testing.T) {
	s := storeOf(t, `
objects:
  - name: Thing__c
    keyPrefix: "a00"
    fields:
      - {name: Number__c, type: double, precision: 10, scale: 2, externalId: true, unique: true}
`)
	out := save(t, s, "Thing__c", org.Upsert, "Number__c", "Number__c", "1", "1.0", "2")
	if got := show(out); got != "failed failed created" || out[1].Error.Error() != "DUPLICATE_VALUE:Duplicate external id specified: 1.0:Number__c --" {
		t.Errorf("%s, %v", got, out[1].Error)
	}
	if got := show(save(t, s, "Thing__c", org.Upsert, "Number__c", "Number__c", "2.00")); got != "updated" {
		t.Error(got)
	}
}

func TestAClearedKeyIsNone(t *testing.T) {
	s := storeOf(t, family)
	for i, o := range save(t, s, "Top__c", org.Upsert, "Key__c", "Key__c", "#N/A", "#N/A") {
		if o.Error.Error() != "MISSING_ARGUMENT:Key__c not specified:Key__c --" {
			t.Errorf("row %d: %v", i, o.Error)
		}
	}
}

func TestTheEndsOfRanges(t *testing.T) {
	s := storeOf(t, `
objects:
  - name: Thing__c
    keyPrefix: "a00"
    fields:
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: Whole__c, type: int}
      - {name: Day__c, type: date}
`)
	for _, c := range []struct{ cells, code string }{
		{"2147483647,", ""},
		{"2147483648,", "NUMBER_OUTSIDE_VALID_RANGE"},
		{"-2147483648,", ""},
		{"-2147483649,", "NUMBER_OUTSIDE_VALID_RANGE"},
		{",1700-01-01", ""},
		{",1699-12-31", "DATE_OUT_OF_RANGE"},
		{",4000-12-31", ""},
		{",4001-01-01", "DATE_OUT_OF_RANGE"},
	} {
		t.Run(c.cells, func(t *testing.T) {
			got := ""
			if out := save(t, s, "Thing__c", org.Insert, "", "Whole__c,Day__c", c.cells); out[0].Error != nil {
				got = out[0].Error.Code
			}
			if got != c.code {
				t.Errorf("got %q, want %q", got, c.code)
			}
		})
	}
}
