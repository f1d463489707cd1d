package journeys

import "testing"

// head is what the definitions of the operations have in common.
const head = `apiVersion: bulkhead/v1
kind: Pipeline
org: main
unknownMembers: reject
lanes: 2
chunk: {rows: 50000, bytes: 50MB, age: 300ms}
backlog: 256MiB
`

// The definitions, one of each sort.
const (
	insertPeople = head + `name: people
object: Contact
operation: insert
correlation: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: first_name, to: FirstName, type: string}
  - {from: last_name, to: LastName, type: string}
`
	insertVisits = head + `name: visits
object: Visit__c
operation: insert
correlation: content
map:
  - {from: place, to: Place__c, type: string, required: true}
  - {from: at, to: Visited_At__c, type: datetime}
  - {from: spent, to: Spent__c, type: number}
  - {from: text, to: Text__c, type: string}
`
	updateByID = head + `name: phones
object: Contact
operation: update
externalId: Id
map:
  - {from: salesforce_id, to: Id, type: id, required: true}
  - {from: phone, to: Phone, type: string}
`
	updateByField = head + `name: loyalty
object: Contact
operation: update
externalId: Loyalty_Number__c
records: whole
map:
  - {from: number, to: Loyalty_Number__c, type: string, required: true}
  - {from: first_name, to: FirstName, type: string}
  - {from: phone, to: Phone, type: string}
`
	deleteByID = head + `name: removals-by-id
object: Contact
operation: delete
externalId: Id
map:
  - {from: salesforce_id, to: Id, type: id, required: true}
`
	deleteByField = head + `name: removals
object: Contact
operation: delete
externalId: External_Id__c
map:
  - {from: id, to: External_Id__c, type: string, required: true}
`
	upsertVersions = head + `name: versions
object: Contact
operation: upsert
externalId: External_Id__c
version: rev
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: first_name, to: FirstName, type: string}
  - {from: last_name, to: LastName, type: string}
  - {from: phone, to: Phone, type: string}
`
)

func person(key string) fields {
	return fields{"id": key, "first_name": "First " + key, "last_name": "Last " + key}
}

func visit(place string) fields {
	return fields{"place": place, "at": "2026-03-01T09:30:00+01:00", "spent": 12.50, "text": "two\nlines, \"quoted\""}
}

func TestInsertsWithACorrelationFieldLandOnceEach(t *testing.T) {
	operation{
		pipeline: "people", object: "Contact", column: "External_Id__c", sentWhenLost: 1,
		definition: insertPeople,
		record:     func(key, _ string) fields { return person(key) },
		want: func(_ fate, key string, _ map[string]string) map[string]string {
			return map[string]string{"FirstName": "First " + key, "LastName": "Last " + key}
		},
	}.carry(t)
}

func TestInsertsMatchedByContentLandOnceEachAndEqualOnesAsOftenAsTheyAreWanted(t *testing.T) {
	copies := func(f fate) int {
		switch f {
		case threefold:
			return 3
		case locked:
			return 2
		default:
			return 1
		}
	}
	operation{
		pipeline: "visits", object: "Visit__c", column: "Place__c", content: true, copies: copies,
		definition: insertVisits,
		record:     func(key, _ string) fields { return visit(key) },
		further: func(f fate, key string) (out []message) {
			for n := 1; n < copies(f); n++ {
				out = append(out, message{id: "evt-" + key + "#" + itoa(n), body: visit(key)})
			}
			return out
		},
		want: func(_ fate, _ string, _ map[string]string) map[string]string {
			return map[string]string{"Text__c": "two\nlines, \"quoted\""}
		},
	}.carry(t)
}

func TestUpdatesByIdLandAndMakeNoRow(t *testing.T) {
	operation{
		pipeline: "phones", object: "Contact", column: "External_Id__c", seeded: true, sentWhenLost: 2,
		definition: updateByID,
		record:     func(key, id string) fields { return fields{"salesforce_id": id, "phone": "+2 " + key} },
		want: func(_ fate, key string, before map[string]string) map[string]string {
			return map[string]string{"Phone": "+2 " + key, "FirstName": "Old", "LastName": "Before", "Loyalty_Number__c": before["Loyalty_Number__c"]}
		},
	}.carry(t)
}

func TestUpdatesByAFieldLandWholeAndMakeNoRow(t *testing.T) {
	operation{
		pipeline: "loyalty", object: "Contact", column: "External_Id__c", seeded: true, looks: true, sentWhenLost: 2,
		definition: updateByField,
		// The org compares this field without case; the phone is absent, which whole means as cleared.
		record: func(key, _ string) fields { return fields{"number": "l-" + key, "first_name": "New " + key} },
		want: func(_ fate, key string, _ map[string]string) map[string]string {
			return map[string]string{"FirstName": "New " + key, "Phone": "", "LastName": "Before", "Loyalty_Number__c": "L-" + key}
		},
	}.carry(t)
}

func TestDeletesByIdLandAndTakeNobodyElse(t *testing.T) {
	operation{
		pipeline: "removals-by-id", object: "Contact", column: "External_Id__c", seeded: true, sentWhenLost: 2,
		definition: deleteByID,
		record:     func(_, id string) fields { return fields{"salesforce_id": id} },
		want:       func(fate, string, map[string]string) map[string]string { return nil },
	}.carry(t)
}

func TestDeletesByAFieldLandAndTakeNobodyElse(t *testing.T) {
	operation{
		pipeline: "removals", object: "Contact", column: "External_Id__c", seeded: true, looks: true, sentWhenLost: 1,
		definition: deleteByField,
		record:     func(key, _ string) fields { return fields{"id": key} },
		want:       func(fate, string, map[string]string) map[string]string { return nil },
	}.carry(t)
}

func TestUpsertsLandInTheVersionThatIsNewestByItsMember(t *testing.T) {
	operation{
		pipeline: "versions", object: "Contact", column: "External_Id__c", sentWhenLost: 2,
		definition: upsertVersions,
		more:       balance{Superseded: perBatch / 10, Dead: perBatch / 10},
		record:     func(key, _ string) fields { return person(key).with("rev", 10) },
		further: func(f fate, key string) []message {
			older := person(key).with("rev", 9).with("first_name", "Older")
			switch f {
			case overtaken:
				return []message{{id: "evt-" + key + "#older", body: older}}
			case outdated:
				return []message{{id: "evt-" + key + "#older", body: older.with("phone", "+3")}}
			case contested:
				return []message{{id: "evt-" + key + "#other", body: older.with("rev", 10)}}
			default:
				return nil
			}
		},
		want: func(f fate, key string, _ map[string]string) map[string]string {
			want := map[string]string{"FirstName": "First " + key, "LastName": "Last " + key, "Phone": ""}
			if f == outdated {
				want["Phone"] = "+3"
			}
			return want
		},
	}.carry(t)
}
