// Package people makes the records that are loaded: contacts, each decided by its number alone.
//
// What always holds: record i is the same on every machine and for ever; the JSON of a record and its row of CSV say the same; ids and loyalty
// numbers are unique; a record is some 250 bytes of JSON and 165 of CSV. The definition that maps one to the other is [Definition], and [Fault] is
// the rule by which the simulated org refuses one in twenty at first.
package people

import (
	"fmt"
	"strconv"
	"time"
)

// Words of the pipeline.
const (
	// Pipeline is its name, Object what it writes, KeyField by which field.
	Pipeline, Object, KeyField = "contacts", "Contact", "External_Id__c"
	// Header is the first line of the CSV.
	Header = "External_Id__c,FirstName,LastName,Email,Phone,Loyalty_Number__c,LeadSource\n"
)

var (
	first   = [...]string{"Adelheid", "Bernadette", "Christopher", "Dominique", "Elisabeth", "Frederick", "Guillermo", "Henrietta", "Immanuel", "Josephine", "Konstantin", "Leopoldine", "Maximilian", "Nathaniel", "Ottokar", "Philippa"}
	last    = [...]string{"Alderwood", "Birchfield", "Cedarholme", "Dogwoodsen", "Elderberry", "Firbanks", "Gorseland", "Hawthorne", "Ironbark", "Junipers", "Kauriston", "Lindengate", "Mapleton", "Nutmegson", "Oakenshaw", "Poplarsen"}
	sources = [...]string{"Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"}
)

// digits appends n with leading zeros.
func digits(b []byte, n int64, width int) []byte {
	for limit := int64(1); width > 1; width-- {
		if limit *= 10; n < limit {
			for ; width > 1; width-- {
				b = append(b, '0')
			}
			break
		}
	}
	return strconv.AppendInt(b, n, 10)
}

// given is the first name of record i.
func given(i int64) string { return first[i%int64(len(first))] }

// appendFamily appends the last name of record i, but for its number.
func appendFamily(b []byte, i int64) []byte {
	b = append(b, last[i/int64(len(first))%int64(len(last))]...)
	return append(append(b, '-'), last[i/7%int64(len(last))]...)
}

// Key is the external id of record i.
func Key(i int64) string { return string(AppendKey(nil, i)) }

// AppendKey is Key for those who count allocations.
func AppendKey(b []byte, i int64) []byte { return digits(append(b, "C-"...), i, 12) }

func appendEmail(b []byte, i int64) []byte {
	b = appendFamily(append(append(b, given(i)...), '.'), i)
	return append(digits(append(b, '.'), i, 12), "@people.example"...)
}

// AppendJSON appends record i as one JSON object.
func AppendJSON(b []byte, i int64) []byte {
	b = AppendKey(append(b, `{"id":"`...), i)
	b = append(append(b, `","first_name":"`...), given(i)...)
	b = digits(append(appendFamily(append(b, `","last_name":"`...), i), ' '), i%1000, 3)
	b = appendEmail(append(b, `","email":"`...), i)
	b = digits(append(b, `","phone":"+1 555 `...), i, 12)
	b = digits(append(b, `","loyalty_number":"L-`...), i, 12)
	b = append(append(b, `","lead_source":"`...), sources[i%int64(len(sources))]...)
	return append(b, `"}`...)
}

// AppendCSV appends record i as a row, with its line end.
func AppendCSV(b []byte, i int64) []byte {
	b = append(append(append(AppendKey(b, i), ','), given(i)...), ',')
	b = digits(append(appendFamily(b, i), ' '), i%1000, 3)
	b = append(appendEmail(append(b, ','), i), ',')
	b = append(digits(append(b, "+1 555 "...), i, 12), ',')
	b = append(digits(append(b, "L-"...), i, 12), ',')
	return append(append(b, sources[i%int64(len(sources))]...), '\n')
}

// Chunk is what a chunk of the pipeline holds at most.
type Chunk struct {
	Rows  int           `json:"rows"`
	Bytes int64         `json:"bytes"`
	Age   time.Duration `json:"age"`
}

// Usual is the chunk of a definition that does not speak of chunks.
func Usual() Chunk { return Chunk{Rows: 50_000, Bytes: 50_000_000, Age: 10 * time.Second} }

// Load is the chunk of a definition for large loads (docs/guides/definitions.md): fewer jobs, and less of all that a chunk costs, for a result that is known
// later.
func Load() Chunk { return Chunk{Rows: 200_000, Bytes: 100_000_000, Age: 10 * time.Second} }

// Largest is the largest chunk that the product takes. Its age is that of a load which wants few calls: rows that come in for more than ten seconds would
// else be sealed before they fill anything.
func Largest() Chunk { return Chunk{Rows: 1_000_000, Bytes: 100_000_000, Age: 30 * time.Second} }

// Definition of the pipeline. Lanes, backlog and retries are what every definition has that does not name them.
func Definition(c Chunk) []byte {
	return fmt.Appendf(nil, `apiVersion: bulkhead/v1
kind: Pipeline
name: %s
org: main
object: %s
operation: upsert
externalId: %s
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: first_name, to: FirstName, type: string}
  - {from: last_name, to: LastName, type: string}
  - {from: email, to: Email, type: string}
  - {from: phone, to: Phone, type: string}
  - {from: loyalty_number, to: Loyalty_Number__c, type: string}
  - {from: lead_source, to: LeadSource, type: string}
chunk: {rows: %d, bytes: %dB, age: %s}
`, Pipeline, Object, KeyField, c.Rows, c.Bytes, c.Age)
}

// Fault makes the simulated org refuse this part of the rows the first time it sees each, with the text of a lock that was not free.
func Fault(part float64) []byte {
	return fmt.Appendf(nil, `[{"id":"at-first","match":{"object":%q,"fraction":%s,"seed":5},"times":0,"times_per_key":1,`+
		`"effect":{"kind":"row_error","error":"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"}}]`,
		Object, strconv.FormatFloat(part, 'f', -1, 64))
}
