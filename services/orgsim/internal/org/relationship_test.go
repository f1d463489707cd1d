package org

import (
	"encoding/json"
	"strings"
	"testing"
)

const familyModel = `
objects:
  - name: Account
    keyPrefix: "001"
    fields:
      - {name: Name, type: string}
      - {name: ParentId, type: reference, referenceTo: Account, relationshipName: Parent}
      - {name: Up__c, type: reference, referenceTo: Account, relationshipName: Up__r}
      - {name: OwnerId, type: reference, referenceTo: User, relationshipName: Owner}
  - name: Contact
    keyPrefix: "003"
    fields:
      - {name: AccountId, type: reference, referenceTo: Account, relationshipName: Account}
      - {name: Hidden__c, type: reference, referenceTo: Account, relationshipName: Hidden__r, access: none}
  - name: Line_Item__c
    label: Line Item
    keyPrefix: "a0L"
    fields:
      - {name: Account__c, type: reference, referenceTo: Account, relationshipName: Account__r, masterDetail: true}
      - {name: Other__c, type: reference, referenceTo: Account, relationshipName: Other__r}
      - {name: Third__c, type: reference, referenceTo: Account, relationshipName: Third__r, childRelationshipName: Thirds__r}
  - name: Task
    keyPrefix: "00T"
    fields:
      - {name: WhoId, type: reference, referenceTo: [Account, Contact], relationshipName: Who}
`

func TestWaysToChildren(t *testing.T) {
	m, err := ReadModel([]byte(familyModel))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ does, object, name, want string }{
		{"standard references are called by the plural of their object", "Account", "contacts", "Contact.AccountId"},
		{"those of an administrator have __r behind it", "Account", "Line_Items__r", "Line_Item__c.Account__c"},
		{"the model may say another name", "Account", "Thirds__r", "Line_Item__c.Third__c"},
		{"a reference to the same object has one too when an administrator made it", "Account", "Accounts__r", "Account.Up__c"},
		{"a standard one has none", "Account", "Accounts", ""},
		{"nor do owners", "User", "Accounts", ""},
		{"each of several objects has its own", "Contact", "Tasks", "Task.WhoId"},
		{"what users do not see leads nowhere", "Account", "Contacts__r", ""},
	} {
		t.Run(tc.does, func(t *testing.T) {
			got := ""
			if c := m.Object(tc.object).Child(tc.name); c != nil {
				got = c.Field.Object().Name + "." + c.Field.Name
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	t.Run("describe names them", func(t *testing.T) {
		text, err := json.Marshal(m.Object("Account").Describe("", true).Children)
		if err != nil {
			t.Fatal(err)
		}
		want := `[{"cascadeDelete":false,"childSObject":"Account","field":"Up__c","relationshipName":"Accounts__r"},` +
			`{"cascadeDelete":false,"childSObject":"Contact","field":"AccountId","relationshipName":"Contacts"},` +
			`{"cascadeDelete":true,"childSObject":"Line_Item__c","field":"Account__c","relationshipName":"Line_Items__r"},` +
			`{"cascadeDelete":false,"childSObject":"Task","field":"WhoId","relationshipName":"Tasks"},` +
			`{"cascadeDelete":false,"childSObject":"Line_Item__c","field":"Third__c","relationshipName":"Thirds__r"}]`
		if string(text) != want {
			t.Errorf("\n got %s\nwant %s", text, want)
		}
	})
	for _, tc := range []struct{ does, from, to, part string }{
		{"a name that is there twice is refused", "relationshipName: Other__r", "relationshipName: Other__r, childRelationshipName: thirds__r", "childRelationshipName Thirds__r is there twice for Account"},
		{"a name that is none is refused", "Thirds__r", "my thirds", `childRelationshipName "my thirds"`},
		{"a text has none", "{name: Name, type: string}", "{name: Name, type: string, childRelationshipName: Names}", "only a reference has"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			if _, err := ReadModel([]byte(strings.Replace(familyModel, tc.from, tc.to, 1))); err == nil || !strings.Contains(err.Error(), tc.part) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLookups(t *testing.T) {
	m, err := ReadModel([]byte(familyModel))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ does, object, name, want string }{
		{"a stored reference", "Contact", "account", "Account by AccountId to Account"},
		{"a reference to several objects", "Task", "Who", "Who by WhoId to Account, Contact"},
		{"who made a row", "Contact", "createdby", "CreatedBy by CreatedById to User"},
		{"who changed it last", "Organization", "LastModifiedBy", "LastModifiedBy by LastModifiedById to User"},
		{"a field is no way", "Account", "Name", ""},
		{"nor is what users do not see", "Contact", "Hidden__r", ""},
		{"nor is an Id", "Contact", "", ""},
	} {
		t.Run(tc.does, func(t *testing.T) {
			got := ""
			if l := m.Lookup(m.Object(tc.object), tc.name); l != nil {
				var to []string
				for _, p := range l.Parents {
					to = append(to, p.Name)
				}
				got = l.Name + " by " + l.Field.Name + " to " + strings.Join(to, ", ")
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
