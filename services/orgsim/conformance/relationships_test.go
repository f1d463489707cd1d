package conformance

import (
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

// failsWhole runs a job that must fail as a whole and returns its errorMessage.
func (o *org) failsWhole(s spec, content string) any {
	o.t.Helper()
	id, info := o.process(s, content)
	if info["state"] != "Failed" {
		o.t.Fatalf("the job ended as %v", info["state"])
	}
	if done := len(o.rows(id, successful)) + len(o.rows(id, failed)); done != 0 {
		o.t.Errorf("%d rows of it were processed", done)
	}
	return info["errorMessage"]
}

// Columns that name another record by one of its keys.
func TestRelationshipColumns(t *testing.T) {
	o := theOrg(t)
	parent := o.key("parent")
	account := o.one(insert("Account"), "Conf_Key__c,Name", parent+",P").id
	refers := func(key, field string) any {
		return o.select1("SELECT " + field + " FROM Contact WHERE Conf_Key__c = '" + o.key(key) + "'")[field]
	}
	t.Run("find the parent by its external id, without regard to case", func(t *testing.T) {
		e := o.one(insert("Contact"), "Conf_Key__c,LastName,Account.Conf_Key__c", o.key("r1")+",A,"+strings.ToUpper(parent))
		if e.problem != "" || refers("r1", "AccountId") != account {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("find the parent by a lookup field that is no external id", func(t *testing.T) {
		email := o.key("boss") + "@conf.example"
		boss := o.one(insert("Contact"), "Conf_Key__c,LastName,Email", o.key("boss")+",B,"+email).id
		e := o.one(insert("Contact"), "Conf_Key__c,LastName,ReportsTo.Email", o.key("r2")+",A,"+email)
		if e.problem != "" || refers("r2", "ReportsToId") != boss {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("find the owner by e-mail address", func(t *testing.T) {
		me := decode[struct {
			UserID string `json:"user_id"`
		}](t, o.want(o.call("GET", "/services/oauth2/userinfo", ""), 200)).UserID
		email, _ := o.select1("SELECT Email FROM User WHERE Id = '" + me + "'")["Email"].(string)
		e := o.one(insert("Lead"), "Conf_Key__c,LastName,Company,Owner.Email", o.key("r3")+",A,C,"+email)
		r := o.select1("SELECT OwnerId FROM Lead WHERE Conf_Key__c = '" + o.key("r3") + "'")
		if e.problem != "" || r["OwnerId"] != me {
			t.Errorf("%s: owned by %v, want %s", e.problem, r["OwnerId"], me)
		}
	})
	t.Run("without a match fail their row, and no other", func(t *testing.T) {
		got := o.load(insert("Contact"), "Conf_Key__c",
			"Conf_Key__c,LastName,Account.Conf_Key__c\n"+o.key("r4")+",A,nowhere\n"+o.key("r5")+",B,"+parent+"\n")
		if want := "INVALID_FIELD:Foreign key external ID: nowhere not found for field Conf_Key__c in entity Account:--"; got[o.key("r4")].problem != want {
			t.Errorf("got  %s\nwant %s", got[o.key("r4")].problem, want)
		}
		if got[o.key("r5")].problem != "" {
			t.Errorf("the good row failed: %s", got[o.key("r5")].problem)
		}
	})
	t.Run("with several matches fail their row", func(t *testing.T) {
		group := o.key("many")
		o.load(insert("Account"), "Name", "Name,Conf_Group__c\nA,"+group+"\nB,"+group+"\n")
		e := o.one(insert("Contact"), "LastName,Account.Conf_Group__c", "A,"+group)
		if !strings.HasPrefix(e.problem, "INVALID_FIELD:More than one record found for external id field") {
			t.Errorf("got %s", e.problem)
		}
	})
	t.Run("that are empty leave the reference, and #N/A clears it", func(t *testing.T) {
		s := upsert("Contact", "Conf_Key__c")
		o.one(s, "Conf_Key__c,LastName,Account.Conf_Key__c", o.key("r1")+",A2,")
		if refers("r1", "AccountId") != account {
			t.Error("an empty cell cleared the reference")
		}
		o.one(s, "Conf_Key__c,Account.Conf_Key__c", o.key("r1")+",#N/A")
		if refers("r1", "AccountId") != nil {
			t.Error("#N/A left the reference")
		}
	})
	t.Run("beside the Id column of the same reference fail the rows that fill both", func(t *testing.T) {
		e := o.one(insert("Contact"), "LastName,AccountId,Account.Conf_Key__c", "A,"+account+","+parent)
		if !strings.HasPrefix(e.problem, "INVALID_FIELD:") {
			t.Errorf("got %s", e.problem)
		}
	})
	for _, c := range []struct{ does, header, want string }{
		{"whose relationship does not exist fail the job", "LastName,Acount.Conf_Key__c", "InvalidBatch : Unable to find relationship: Acount"},
		{"whose field is no key of the parent fail the job", "LastName,Account.Phone", "InvalidBatch : Field name not found : Account.Phone"},
		{"over two levels fail the job", "LastName,ReportsTo.Account.Conf_Key__c", "InvalidBatch : Field name not found : ReportsTo.Account.Conf_Key__c"},
		{
			"with a type that is not needed fail the job", "LastName,Account:Account.Conf_Key__c",
			"InvalidBatch : type is not needed for non polymorphic foreign key references: Account",
		},
	} {
		t.Run(c.does, func(t *testing.T) {
			if got := o.failsWhole(insert("Contact"), c.header+"\nA,x\n"); got != c.want {
				t.Errorf("got  %v\nwant %s", got, c.want)
			}
		})
	}
}

// labelled is a model in which a reference may point to two objects, one with a label that is not its name.
const labelled = `
objects:
  - name: Place__c
    label: Venue
    keyPrefix: "a01"
    fields: [{name: Key__c, type: string, length: 20, externalId: true, unique: true}]
  - name: Person__c
    keyPrefix: "a02"
    fields: [{name: Key__c, type: string, length: 20, externalId: true, unique: true}]
  - name: Visit__c
    keyPrefix: "a03"
    fields:
      - {name: Name, type: string, length: 80}
      - {name: At__c, type: reference, referenceTo: [Place__c, Person__c], relationshipName: At__r}
`

// References that may point to several objects.
func TestPolymorphicReferences(t *testing.T) {
	o := theOrg(t)
	email := o.key("lead") + "@conf.example"
	lead := o.one(insert("Lead"), "Conf_Key__c,LastName,Company,Email", o.key("lead")+",A,C,"+email).id
	contact := o.one(insert("Contact"), "Conf_Key__c,LastName", o.key("who")+",A").id
	who := func(key string) any {
		return o.select1("SELECT WhoId FROM Task WHERE Conf_Key__c = '" + o.key(key) + "'")["WhoId"]
	}
	t.Run("name the object in the header", func(t *testing.T) {
		e := o.one(insert("Task"), "Conf_Key__c,Lead:Who.Email", o.key("t1")+","+email)
		if e.problem != "" || who("t1") != lead {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("take a key of any of their objects, each in its own column", func(t *testing.T) {
		got := o.load(insert("Task"), "Conf_Key__c", "Conf_Key__c,Lead:Who.Email,Contact:Who.Conf_Key__c\n"+
			o.key("t2")+",,"+o.key("who")+"\n"+o.key("t3")+","+email+",\n")
		if got[o.key("t2")].problem+got[o.key("t3")].problem != "" || who("t2") != contact || who("t3") != lead {
			t.Errorf("got %v", got)
		}
	})
	t.Run("take an Id of any of their objects and of no other", func(t *testing.T) {
		account := o.one(insert("Account"), "Name", "A").id
		got := o.load(insert("Task"), "Conf_Key__c", "Conf_Key__c,WhoId\n"+o.key("t4")+","+contact+"\n"+o.key("t5")+","+account+"\n")
		if got[o.key("t4")].problem != "" || got[o.key("t5")].problem != "MALFORMED_ID:Name ID: id value of incorrect type: "+account+":WhoId --" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("name the object by its API name, not by its label", func(t *testing.T) {
		o := aSim(t, simtest.Model(labelled))
		place := o.one(insert("Place__c"), "Key__c", "p").id
		if e := o.one(insert("Visit__c"), "Name,Place__c:At__r.Key__c", "V,p"); e.problem != "" || o.select1("SELECT At__c FROM Visit__c")["At__c"] != place {
			t.Errorf("got %+v", e)
		}
		if got := o.failsWhole(insert("Visit__c"), "Name,Venue:At__r.Key__c\nV,p\n"); got != "InvalidBatch : Field name not found : Venue:At__r.Key__c" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("without the object in the header fail the job", func(t *testing.T) {
		if got := o.failsWhole(insert("Task"), "Subject,Who.Email\nA,x\n"); got != "InvalidBatch : Field name not found : Who.Email" {
			t.Errorf("got %v", got)
		}
	})
}

// Records that are parts of others.
func TestMasterDetail(t *testing.T) {
	o := theOrg(t)
	one, two := o.key("m1"), o.key("m2")
	got := o.load(insert("Account"), "Conf_Key__c", "Conf_Key__c,Name\n"+one+",A\n"+two+",B\n")
	detail := o.key("d1")
	made := o.one(insert("Conf_Detail__c"), "Conf_Key__c,Conf_Account__r.Conf_Key__c", detail+","+one)
	if made.problem != "" {
		t.Fatal(made.problem)
	}
	t.Run("cannot be without their master", func(t *testing.T) {
		e := o.one(insert("Conf_Detail__c"), "Conf_Key__c", o.key("d2"))
		if e.problem != "REQUIRED_FIELD_MISSING:Required fields are missing: [Conf_Account__c]:Conf_Account__c --" {
			t.Errorf("got %s", e.problem)
		}
	})
	t.Run("cannot move to another master by an upsert", func(t *testing.T) {
		e := o.one(upsert("Conf_Detail__c", "Conf_Key__c"), "Conf_Key__c,Conf_Account__r.Conf_Key__c", detail+","+two)
		if !strings.HasPrefix(e.problem, "INVALID_FIELD_FOR_INSERT_UPDATE:Attempting to update (as part of an upsert) parent field Conf_Account__c") {
			t.Errorf("got %s", e.problem)
		}
	})
	t.Run("cannot move to another master by an update", func(t *testing.T) {
		e := o.one(update("Conf_Detail__c"), "Id,Conf_Account__c", made.id+","+got[two].id)
		if !strings.HasPrefix(e.problem, "INVALID_FIELD_FOR_INSERT_UPDATE:Unable to create/update fields: Conf_Account__c. Please check the security settings") {
			t.Errorf("got %s", e.problem)
		}
	})
	t.Run("may name the master that they have", func(t *testing.T) {
		e := o.one(upsert("Conf_Detail__c", "Conf_Key__c"), "Conf_Key__c,Conf_Account__r.Conf_Key__c,Conf_Text__c", detail+","+one+",x")
		if e.problem != "" || e.created != "false" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("go with their master", func(t *testing.T) {
		if e := o.one(remove("Account"), "Id", got[one].id); e.problem != "" {
			t.Fatal(e.problem)
		}
		if left := o.selectAll("query", "SELECT Id FROM Conf_Detail__c WHERE Conf_Key__c = '"+detail+"'"); len(left) != 0 {
			t.Errorf("found %v", left)
		}
	})
}

// A record that others refer to.
func TestDeleteOfAParent(t *testing.T) {
	o := aSim(t)
	parent := o.one(insert("Account"), "Name", "A").id
	o.one(insert("Contact"), "LastName,AccountId", "C,"+parent)
	if e := o.one(remove("Account"), "Id", parent); !strings.HasPrefix(e.problem, "DELETE_FAILED:") || e.id != parent {
		t.Errorf("got %+v", e)
	}
}

// A record above itself.
func TestSelfReferences(t *testing.T) {
	o := theOrg(t)
	o.load(insert("Contact"), "Conf_Key__c", "Conf_Key__c,LastName\n"+o.key("top")+",A\n"+o.key("low")+",B\n")
	s := upsert("Contact", "Conf_Key__c")
	t.Run("name a record of the same object", func(t *testing.T) {
		if e := o.one(s, "Conf_Key__c,ReportsTo.Conf_Key__c", o.key("low")+","+o.key("top")); e.problem != "" {
			t.Error(e.problem)
		}
	})
	t.Run("never put a record above itself", func(t *testing.T) {
		for _, to := range []string{"top", "low"} {
			if e := o.one(s, "Conf_Key__c,ReportsTo.Conf_Key__c", o.key("top")+","+o.key(to)); !strings.HasPrefix(e.problem, "CIRCULAR_DEPENDENCY:") {
				t.Errorf("below %s: %s", to, e.problem)
			}
		}
	})
}
