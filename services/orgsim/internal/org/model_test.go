package org_test

import (
	"os"
	"reflect"
	"regexp"
	"testing"

	"bulkhead/services/orgsim/internal/org"
)

func TestTheExampleModelShowsEveryMember(t *testing.T) {
	text, err := os.ReadFile("../../examples/model.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := org.ReadModel(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []reflect.Type{
		reflect.TypeFor[org.Object](), reflect.TypeFor[org.Field](), reflect.TypeFor[org.Validation](),
		reflect.TypeFor[org.DuplicateRule](), reflect.TypeFor[org.Trigger](),
	} {
		for i := range of.NumField() {
			member := of.Field(i).Tag.Get("yaml")
			if member == "" {
				continue
			}
			if shown, err := regexp.Match(`(?m)^[^#]*[ {]`+member+`:`, text); err != nil || !shown {
				t.Errorf("%s of %s is not in the example", member, of.Name())
			}
		}
	}
	if f := m.Object("Account").Field("Ident__c"); !f.CaseSensitive || !f.Unique || !f.ExternalID {
		t.Errorf("Ident__c is read as %+v", f)
	}
}
