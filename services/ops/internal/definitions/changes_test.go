package definitions

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"bulkhead/libs/pipeline"
)

// everything has each part of a definition that a member may stand in.
const everything = `apiVersion: bulkhead/v1
kind: Pipeline
name: contacts
org: main
object: Contact
operation: upsert
externalId: External_Id__c
key: [event]
version: at
owner: Sales
contact: sales@people.example
dependsOn: [accounts]
bulk: {threshold: 0}
map:
  - {from: id, to: External_Id__c}
  - {const: Web, to: LeadSource}
`

// notCarriedOut are the members whose change is no change of what is done, and why.
var notCarriedOut = map[string]string{
	"Name":                 "revisions of one pipeline have one name",
	"Revision":             "it counts the revisions themselves",
	"Correlation":          "it says something of inserts only, see the pair below",
	"Mappings[0].Const":    "this column is filled from a member",
	"Mappings[1].Type":     "a constant has no type",
	"Mappings[1].Required": "a constant is always there",
}

// TestTheChangeOfEachMemberIsSaid changes the members of a definition one by one. A member that is added to the type and not to the words would make
// `pipelines diff` say that nothing is carried out in another way.
func TestTheChangeOfEachMemberIsSaid(t *testing.T) {
	parse := func() *pipeline.Definition {
		d, _, err := pipeline.ParseDefinition([]byte(everything))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if got := inWords(parse(), parse()); got != nil {
		t.Errorf("equal definitions differ: %q", got)
	}
	met := map[string]bool{}
	tried := 0
	for _, name := range members(t, "", reflect.ValueOf(*parse())) {
		t.Run(name, func(t *testing.T) {
			after := parse()
			change(t, name, "", reflect.ValueOf(after).Elem())
			got := inWords(parse(), after)
			_, silent := notCarriedOut[name]
			met[name] = true
			tried++
			if silent != (got == nil) {
				t.Errorf("said: %q, carried out nowhere: %v", got, silent)
			}
		})
	}
	for name := range notCarriedOut {
		if !met[name] {
			t.Errorf("%s is no member", name)
		}
	}
	if tried < 30 {
		t.Errorf("only %d members were changed", tried)
	}
	t.Run("the correlation of an insert", func(t *testing.T) {
		before, after := parse(), parse()
		before.Operation, after.Operation = pipeline.OperationInsert, pipeline.OperationInsert
		before.Correlation, after.Correlation = "External_Id__c", pipeline.CorrelationContent
		if inWords(before, after) == nil {
			t.Error("nothing is said")
		}
	})
	t.Run("a threshold that is named first", func(t *testing.T) {
		before := parse()
		before.BulkThreshold = nil
		want := "bulk.threshold changes from none to 0: smaller chunks go by calls of sObject Collections, others by a job."
		if got := inWords(before, parse()); len(got) != 1 || got[0] != want {
			t.Errorf("%q", got)
		}
	})
}

// members names what change may change, from the outside in: Chunk.Rows, Mappings[0].To, Retry[transient].Base.
func members(t *testing.T, at string, v reflect.Value) []string {
	t.Helper()
	var out []string
	each(v, at, func(name string, part reflect.Value) { out = append(out, members(t, name, part)...) })
	if out == nil {
		return []string{at}
	}
	return out
}

// each calls f with the parts of a value that are changed one by one; a value without any is changed itself.
func each(v reflect.Value, at string, f func(name string, part reflect.Value)) {
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				name := field.Name
				if at != "" {
					name = at + "." + name
				}
				f(name, v.Field(i))
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			f(fmt.Sprintf("%s[%d]", at, i), v.Index(i))
		}
	case v.Kind() == reflect.Map:
		for it := v.MapRange(); it.Next(); {
			f(fmt.Sprintf("%s[%v]", at, it.Key()), it.Value())
		}
	}
}

// change gives the member another value. A kind that it does not know fails the test: whoever adds one says how it is changed.
func change(t *testing.T, name, at string, v reflect.Value) {
	t.Helper()
	if name == at {
		other(t, v)
		return
	}
	if v.Kind() == reflect.Map { // its values cannot be set in place
		for it := v.MapRange(); it.Next(); {
			part := reflect.New(v.Type().Elem()).Elem()
			part.Set(it.Value())
			changeBelow(t, name, fmt.Sprintf("%s[%v]", at, it.Key()), part)
			v.SetMapIndex(it.Key(), part)
		}
		return
	}
	each(v, at, func(below string, part reflect.Value) { changeBelow(t, name, below, part) })
}

// changeBelow changes a part if the member is in it.
func changeBelow(t *testing.T, name, at string, part reflect.Value) {
	t.Helper()
	if name == at || len(name) > len(at) && name[:len(at)] == at && (name[len(at)] == '.' || name[len(at)] == '[') {
		change(t, name, at, part)
	}
}

func other(t *testing.T, v reflect.Value) {
	t.Helper()
	switch value := v.Interface().(type) {
	case time.Duration:
		v.Set(reflect.ValueOf(value + time.Second))
		return
	case []string:
		v.Set(reflect.ValueOf(append(append([]string{}, value...), "another")))
		return
	case *int:
		v.Set(reflect.ValueOf(new(*value + 5000)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	default:
		t.Fatalf("nobody says how a %s is changed", v.Type())
	}
}
