package conformance

import (
	"fmt"
	"strings"
	"testing"

	"bulkhead/services/orgsim/simtest"
)

// ruled is an org with rules and code of its own.
const ruled = `
objects:
  - name: Account
    keyPrefix: "001"
    fields:
      - {name: Name, label: Account Name, type: string, length: 80, required: true}
      - {name: Phone, type: phone}
      - {name: Type, type: picklist, values: [Customer, Partner]}
      - {name: Approval__c, type: string}
      - {name: From__c, type: date}
      - {name: To__c, type: date}
      - {name: Limit__c, type: currency, precision: 10, scale: 2, access: read}
      - {name: Rank__c, type: int, readOnly: true}
      - {name: Notes__c, type: string, access: none}
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: OwnerId, type: reference, referenceTo: User, relationshipName: Owner}
      - {name: Partner__c, type: reference, referenceTo: Account, relationshipName: Partner__r, lookupFilter: parent.Type == "Partner"}
    validations:
      - {name: order, refuse: "new.From__c != null && new.To__c != null && new.To__c < new.From__c", message: "Bis: liegt vor dem Anfang, bitte: prüfen", fields: [To__c]}
      - {name: no_names, refuse: 'new.Name == "refuse me"', message: "Not that name"}
      - {name: null_order, refuse: 'new.Name == "compare null" && new.To__c > now', message: "never"}
      - {name: forward, refuse: 'old.Type == "Partner" && new.Type != "Partner"', message: "A partner stays one"}
      - {field: Phone, pattern: '[0-9 ]+', message: "Phone: digits only"}
    duplicateRules:
      - {name: same, match: [Name, Phone]}
      - {name: allowed, match: [Phone], action: allow}
    locked: old.Approval__c == "Pending"
  - name: Order__c
    keyPrefix: "a0O"
    fields:
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: Round__c, type: int}
      - {name: Mode__c, type: string}
      - {name: Quantity__c, type: int}
    triggers:
      - {name: Veto, on: [insert, update], refuse: 'new.Mode__c == "veto"', error: "System.DmlException: no"}
      - {name: Late, on: [insert, update], refuse: "new.Round__c != null && double(round) == new.Round__c", error: "System.NullPointerException: in this run"}
      - {name: Large, on: [insert], refuse: 'rows > 3 && new.Mode__c == "many"', error: "System.LimitException: Too many SOQL queries: 101"}
      - {name: Keep, on: [delete], refuse: 'old.Mode__c == "keep"', error: "System.FinalException: it stays"}
      - name: Traced
        on: [insert]
        refuse: new.Mode__c == "trace"
        error: |-
          System.DmlException: Update failed. first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access

          Trigger.Traced: line 7, column 1
`

func ruledOrg(t *testing.T) *org { return aSim(t, simtest.Model(ruled)) }

func TestFieldAccess(t *testing.T) {
	o := ruledOrg(t)
	t.Run("a field that may not be written fails the rows that have a value for it", func(t *testing.T) {
		got := o.load(insert("Account"), "Name", "Name,Limit__c,Rank__c\nA,1,2\nB,,\n")
		const want = "INVALID_FIELD_FOR_INSERT_UPDATE:Unable to create/update fields: Limit__c, Rank__c. Please check the security settings " +
			"of this field and verify that it is read/write for your profile or permission set.:Limit__c,Rank__c --"
		if got["A"].problem != want || got["B"].problem != "" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a field without access is no field", func(t *testing.T) {
		if got := o.failsWhole(insert("Account"), "Name,Notes__c\nA,x\n"); got != "InvalidBatch : Field name not found : Notes__c" {
			t.Errorf("got %v", got)
		}
		describe := o.want(o.call("GET", data+"/sobjects/Account/describe", ""), 200).body
		if strings.Contains(describe, "Notes__c") || !strings.Contains(describe, "Limit__c") {
			t.Error("describe shows another set of fields")
		}
	})
}

func TestValidationRules(t *testing.T) {
	o := ruledOrg(t)
	for _, c := range []struct{ does, header, row, want string }{
		{
			"refuse with the free text of an administrator, colons and all, and their fields", "Name,From__c,To__c", "A,2026-02-01,2026-01-01",
			"FIELD_CUSTOM_VALIDATION_EXCEPTION:Bis: liegt vor dem Anfang, bitte: prüfen:To__c --",
		},
		{"may name no field", "Name", "refuse me", "FIELD_CUSTOM_VALIDATION_EXCEPTION:Not that name:--"},
		{"may be a pattern for one field", "Name,Phone", "A,call me", "FIELD_CUSTOM_VALIDATION_EXCEPTION:Phone: digits only:Phone --"},
		{"come after required fields", "Phone", "call me", "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"},
	} {
		t.Run(c.does, func(t *testing.T) {
			if e := o.one(insert("Account"), c.header, c.row); e.problem != c.want {
				t.Errorf("got  %s\nwant %s", e.problem, c.want)
			}
		})
	}
	t.Run("that cannot be evaluated refuse the row and say why", func(t *testing.T) {
		e := o.one(insert("Account"), "Name", "compare null")
		if !strings.HasPrefix(e.problem, "FIELD_CUSTOM_VALIDATION_EXCEPTION:The validation rule null_order could not be evaluated: ") {
			t.Errorf("got %s", e.problem)
		}
	})
	t.Run("see what a row was", func(t *testing.T) {
		id := o.one(insert("Account"), "Name,Type", "P,Partner").id
		if e := o.one(update("Account"), "Id,Type", id+",Customer"); e.problem != "FIELD_CUSTOM_VALIDATION_EXCEPTION:A partner stays one:--" {
			t.Errorf("got %s", e.problem)
		}
	})
}

func TestDuplicateRules(t *testing.T) {
	o := ruledOrg(t)
	o.one(insert("Account"), "Name,Phone", "Same,1")
	for _, c := range []struct{ does, row, want string }{
		{"refuse a row that has the same values, without regard to case", "SAME,1", "DUPLICATES_DETECTED:Use one of these records?:--"},
		{"let pass what differs in one of the fields", "Other,1", ""},
		{"let pass what lacks one of the fields", "Same,", ""},
	} {
		t.Run(c.does, func(t *testing.T) {
			if e := o.one(insert("Account"), "Name,Phone", c.row); e.problem != c.want {
				t.Errorf("got  %s\nwant %s", e.problem, c.want)
			}
		})
	}
	t.Run("look at a record that is there only when it changes in what they compare", func(t *testing.T) {
		o := ruledOrg(t)
		id := o.one(insert("Account"), "Name,Phone", "A,1").id
		o.one(insert("Account"), "Name,Phone", "B,1")
		if e := o.one(update("Account"), "Id,Type", id+",Partner"); e.problem != "" {
			t.Error(e.problem)
		}
		if e := o.one(update("Account"), "Id,Name", id+",b"); !strings.HasPrefix(e.problem, "DUPLICATES_DETECTED:") {
			t.Errorf("got %s", e.problem)
		}
	})
}

func TestTriggers(t *testing.T) {
	const vetoed = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Veto: execution of BeforeInsert caused by: System.DmlException: no:--"
	t.Run("name themselves, the event and the cause", func(t *testing.T) {
		o := ruledOrg(t)
		e := o.one(upsert("Order__c", "Key__c"), "Key__c,Mode__c", "a,veto")
		if e.problem != vetoed {
			t.Errorf("got %s", e.problem)
		}
		o.one(insert("Order__c"), "Key__c", "b")
		e = o.one(upsert("Order__c", "Key__c"), "Key__c,Mode__c", "b,veto")
		if want := strings.Replace(vetoed, "BeforeInsert", "BeforeUpdate", 1); e.problem != want {
			t.Errorf("got %s", e.problem)
		}
		id := o.one(insert("Order__c"), "Key__c,Mode__c", "c,keep").id
		e = o.one(remove("Order__c"), "Id", id)
		if e.problem != "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Keep: execution of BeforeDelete caused by: System.FinalException: it stays:--" {
			t.Errorf("got %s", e.problem)
		}
	})
	t.Run("may write several lines, a lock among them", func(t *testing.T) {
		e := ruledOrg(t).one(insert("Order__c"), "Key__c,Mode__c", "a,trace")
		if !strings.Contains(e.problem, "UNABLE_TO_LOCK_ROW, unable") || !strings.Contains(e.problem, "\n\nTrigger.Traced: line 7") {
			t.Errorf("got %q", e.problem)
		}
	})
	t.Run("fail their rows and no other of the transaction", func(t *testing.T) {
		got := ruledOrg(t).load(insert("Order__c"), "Key__c", "Key__c,Mode__c,Round__c\na,veto,\nb,,\nc,,2\n")
		if got["a"].problem != vetoed || got["b"].problem != "" || !strings.HasPrefix(got["c"].problem, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Late: ") {
			t.Errorf("got %v", got)
		}
	})
	t.Run("run again without the rows that failed, so that a run of fewer rows may pass", func(t *testing.T) {
		got := ruledOrg(t).load(insert("Order__c"), "Key__c", "Key__c,Mode__c\na,many\nb,\nc,\nd,\ne,\n")
		if !strings.Contains(got["a"].problem, "Too many SOQL queries: 101") || got["b"].problem != "" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("that fail rows in the third run too fail all that are left", func(t *testing.T) {
		got := ruledOrg(t).load(insert("Order__c"), "Key__c", "Key__c,Round__c\na,1\nb,2\nc,3\nd,\ne,\n")
		const late = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Late: execution of BeforeInsert caused by: System.NullPointerException: in this run:--"
		const collateral = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:Too many retries of batch save in the presence of Apex triggers with failures: 1 Number of retries: 2:--"
		for key, want := range map[string]string{"a": late, "b": late, "c": late, "d": collateral, "e": collateral} {
			if got[key].problem != want {
				t.Errorf("%s: got %s", key, got[key].problem)
			}
		}
	})
	t.Run("name the records of an update that they take with them", func(t *testing.T) {
		o := ruledOrg(t)
		made := o.load(insert("Order__c"), "Key__c", "Key__c\na\nb\nc\nd\n")
		content := "Id,Key__c,Round__c\n"
		for i, key := range []string{"a", "b", "c", "d"} {
			content += fmt.Sprintf("%s,%s,%s\n", made[key].id, key, []string{"1", "2", "3", ""}[i])
		}
		for key, e := range o.load(update("Order__c"), "Key__c", content) {
			if e.problem == "" || e.id != made[key].id {
				t.Errorf("%s: got %+v, want the Id %s", key, e, made[key].id)
			}
		}
	})
	t.Run("take no row of another transaction with them", func(t *testing.T) {
		content := "Key__c,Round__c\n"
		for i := range 200 {
			content += fmt.Sprintf("k%d,%d\n", i, min(i+1, 4)%4)
		}
		got := ruledOrg(t).load(insert("Order__c"), "Key__c", content+"next,\n")
		if got["next"].problem != "" || got["k150"].problem == "" {
			t.Errorf("got %v and %v", got["next"], got["k150"])
		}
	})
}

func TestLockedRecords(t *testing.T) {
	const locked = "ENTITY_IS_LOCKED:entity is locked for editing:--"
	o := ruledOrg(t)
	id := o.one(insert("Account"), "Name,Approval__c", "A,Pending").id
	if e := o.one(update("Account"), "Id,Name", id+",B"); e.problem != locked {
		t.Errorf("update: %s", e.problem)
	}
	if e := o.one(remove("Account"), "Id", id); e.problem != locked {
		t.Errorf("delete: %s", e.problem)
	}
}

func TestReferencesThatAreNotAdmitted(t *testing.T) {
	o := ruledOrg(t)
	t.Run("fail when the other record does not pass the filter of the lookup", func(t *testing.T) {
		o.load(insert("Account"), "Key__c", "Key__c,Name,Type\nc,C,Customer\np,P,Partner\n")
		if e := o.one(insert("Account"), "Name,Partner__r.Key__c", "A,p"); e.problem != "" {
			t.Error(e.problem)
		}
		const want = "FIELD_FILTER_VALIDATION_EXCEPTION:Value does not exist or does not match filter criteria.:Partner__c --"
		if e := o.one(insert("Account"), "Name,Partner__r.Key__c", "A,c"); e.problem != want {
			t.Errorf("got %s", e.problem)
		}
	})
	t.Run("fail when the owner is not active", func(t *testing.T) {
		user := o.sim.PutUser("gone@conf.example", map[string]any{"active": false})
		want := "INACTIVE_OWNER_OR_USER:operation performed with inactive user [" + user[:15] + "]:OwnerId --"
		if e := o.one(insert("Account"), "Name,Owner.Email", "A,gone@conf.example"); e.problem != want {
			t.Errorf("got  %s\nwant %s", e.problem, want)
		}
	})
}
