//go:build !race

package days_test

import (
	"slices"
	"strings"
	"testing"
)

// model is the org's: contacts that a unique field tells apart, and visits that nothing does.
const model = `objects:
  - name: Contact
    keyPrefix: "003"
    fields:
      - {name: FirstName, type: string, length: 40}
      - {name: LastName, type: string, length: 80, required: true}
      - {name: External_Id__c, type: string, length: 64, externalId: true, unique: true}
  - name: Member__c
    keyPrefix: "a0M"
    fields:
      - {name: Name__c, type: string, length: 80}
      - {name: Number__c, type: string, length: 64, externalId: true, unique: true}
  - name: Visit__c
    keyPrefix: "a0V"
    fields:
      - {name: Place__c, type: string, length: 80}
`

// head is what the definitions have in common: what production has where nobody says otherwise.
const head = `apiVersion: bulkhead/v1
kind: Pipeline
org: main
unknownMembers: reject
lanes: 2
chunk: {rows: 50000, bytes: 50MB, age: 2s}
backlog: 256MiB
`

var defined = map[string]string{
	// contacts are keyed.
	"contacts": head + `name: contacts
object: Contact
operation: upsert
externalId: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: name, to: LastName, type: string}
`,
	// members are inserted, and found again by their number.
	"members": head + `name: members
object: Member__c
operation: insert
correlation: Number__c
map:
  - {from: id, to: Number__c, type: string, required: true}
  - {from: name, to: Name__c, type: string}
`,
	// visits are inserted, and nothing but all their fields tells them apart.
	"visits": head + `name: visits
object: Visit__c
operation: insert
correlation: content
map:
  - {from: id, to: Place__c, type: string, required: true}
`,
}

// byJobs has every chunk go by a job, however small: for days of jobs.
func byJobs(text string) string { return text + "bulk: {threshold: 0}\n" }

// definitions are those of the names, or all, in the order of their names, after define has made what it wants of each; nil = nothing.
func definitions(t *testing.T, define func(text string) string, names ...string) [][]byte {
	t.Helper()
	var out [][]byte
	for name, text := range defined {
		if len(names) == 0 || slices.Contains(names, name) {
			if define != nil {
				text = define(text)
			}
			out = append(out, []byte(text))
		}
	}
	slices.SortFunc(out, func(a, b []byte) int { return strings.Compare(string(a), string(b)) })
	if len(names) > 0 && len(out) != len(names) {
		t.Fatalf("%v: %d of them are defined", names, len(out))
	}
	return out
}

// Records of the pipelines, with % in place of the key.
const (
	contact = `{"id":"%","name":"Contact %"}`
	member  = `{"id":"%","name":"Member %"}`
	visit   = `{"id":"%"}`
)
