package org_test

import (
	"strconv"
	"testing"

	"bulkhead/services/orgsim/internal/org"
)

// What rules cost a row: transactions of 200 inserts into an object without any, and with one of each sort.
//
//	go test ./orgsim/internal/org -run '^$' -bench Rules -count 3
func BenchmarkRules(b *testing.B) {
	const object = `
objects:
  - name: Thing__c
    keyPrefix: "a00"
    fields:
      - {name: Key__c, type: string, externalId: true, unique: true}
      - {name: Name, type: string, required: true}
      - {name: Count__c, type: int}
`
	for _, bc := range []struct{ does, rules string }{
		{"none", ""},
		{"a pattern", "    validations: [{field: Name, pattern: '[a-z0-9 ]+', message: x}]\n"},
		{"a validation rule", "    validations: [{refuse: new.Count__c != null && new.Count__c < 0.0, message: x}]\n"},
		{"a duplicate rule", "    duplicateRules: [{name: r, match: [Name, Key__c]}]\n"},
		{"a trigger", "    triggers: [{name: T, on: [insert], refuse: new.Count__c != null && new.Count__c < 0.0, error: x}]\n"},
	} {
		b.Run(bc.does, func(b *testing.B) {
			s := storeOf(b, object+bc.rules)
			p, err := s.NewPlan(s.Model().Object("Thing__c"), org.Insert, "", []string{"Key__c", "Name", "Count__c"})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			rows := make([]org.Row, 200)
			b.ReportAllocs()
			for b.Loop() {
				for i := range rows {
					n++
					rows[i] = org.Row{Cells: []string{"key " + strconv.Itoa(n), "a name like others", "7"}}
				}
				for _, o := range s.Save(p, "750000000000001AAA", rows) {
					if o.Result != org.Created {
						b.Fatal(o.Error)
					}
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
