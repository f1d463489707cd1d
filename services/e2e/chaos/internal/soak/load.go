package soak

import (
	"fmt"
	"strconv"
	"strings"

	"bulkhead/libs/publish"
)

// Words of the pipeline.
const (
	pipelineName = "readings"
	object       = "Reading__c"
)

// How records are published: an update stands behind what it updates in the stream because it is the same publisher's, see package pump.
const (
	frame      = 500
	publishers = 8
	// near and far are how many records lie between a new row and its update: the two meet in one chunk, or come in different ones.
	near = frame * publishers
	far  = 60 * near
	// turn is the number of records of which one has an update near by and one an update far off. It parts neither near nor far, so that no record is an
	// update of an update, and none has two.
	turn                = 19
	nearUpdate, farther = 18, 9
	nearTarget          = (nearUpdate + turn - near%turn) % turn
	farTarget           = (farther + turn - far%turn) % turn
)

// perTenThousand is the unit of the part that fails.
const perTenThousand = 10_000

// Sort is what must become of a record.
type Sort uint8

// Sorts of records.
const (
	// Sound lands at its first try.
	Sound Sort = iota
	// Once and Twice meet a lock so often, and land after that.
	Once
	Twice
	// Invalid is what the org's own rules refuse: dead at once, by the reconciler.
	Invalid
	// Unknown fails with a code that nobody knows: dead after two tries, by the retrier.
	Unknown
	// Refused cannot be mapped: dead by the extractor, and never sent.
	Refused
	sorts
)

// shares of the sorts among records that fail at first, in parts of their sum.
var shares = [...]Sort{Once, Once, Once, Once, Once, Once, Once, Once, Once, Once, Once, Once, Twice, Twice, Twice, Twice, Twice, Invalid, Unknown, Refused}

// words of the sorts, as records name them.
var words = [sorts]string{"sound", "once", "twice", "invalid", "unknown", "refused"}

// String is the sort's word.
func (s Sort) String() string { return words[s] }

// Dead says that a record of the sort ends as a dead letter.
func (s Sort) Dead() bool { return s >= Invalid }

// code is that of the letter of a sort that dies.
func (s Sort) code() string {
	return map[Sort]string{Invalid: "INVALID_EMAIL_ADDRESS", Unknown: "METER_IS_ASLEEP", Refused: "WRONG_TYPE"}[s]
}

// Load is what is published: records 0 to Records-1.
type Load struct {
	Records int64
	Failing int // of ten thousand records, those that fail at first
}

// sort of a record. Those that fail lie spread over every ten thousand.
func (l Load) sort(i int64) Sort {
	const spread = 7919 // shares no divisor with ten thousand
	n := int(i % perTenThousand * spread % perTenThousand)
	if n >= l.Failing {
		return Sound
	}
	return shares[n*len(shares)/l.Failing]
}

// target is the record of which record i is an update; -1 = none: it is of a new row.
func (l Load) target(i int64) int64 {
	t := int64(-1)
	switch i % turn {
	case nearUpdate:
		t = i - near
	case farther:
		t = i - far
	}
	if t < 0 || l.sort(i) != Sound || l.sort(t) != Sound {
		return -1
	}
	return t
}

// update is the record that is an update of record i; -1 = none.
func (l Load) update(i int64) int64 {
	u := int64(-1)
	switch i % turn {
	case nearTarget:
		u = i + near
	case farTarget:
		u = i + far
	}
	if u < 0 || u >= l.Records || l.target(u) != i {
		return -1
	}
	return u
}

// Counts are what must be there in the end.
type Counts struct {
	Records int64 `json:"records"`
	Landed  int64 `json:"landed"`
	Dead    int64 `json:"dead"`
	Updates int64 `json:"updates"` // of landed records, those that make no row of their own
	Rows    int64 `json:"rows"`    // of the org
	// Failing are the records that the org or the mapping refuses at first.
	Failing int64 `json:"failing"`
}

// Counts of the load.
func (l Load) Counts() Counts {
	out := Counts{Records: l.Records}
	for i := range l.Records {
		s := l.sort(i)
		switch {
		case s.Dead():
			out.Dead++
		case l.target(i) >= 0:
			out.Updates++
			out.Landed++
		default:
			out.Landed++
		}
		if s != Sound {
			out.Failing++
		}
	}
	out.Rows = out.Landed - out.Updates
	return out
}

// digits appends a number with leading zeros, twelve digits in all.
func digits(b []byte, n int64) []byte {
	for limit := int64(100_000_000_000); limit > 1 && n < limit; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, n, 10)
}

// numbered is a name with the number of a record.
func numbered(prefix string, i int64) string { return string(digits([]byte(prefix), i)) }

// number is that of the record which a name is made of; -1 = it is no such name.
func number(name, prefix string) int64 {
	text, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || n < 0 || numbered(prefix, n) != name {
		return -1
	}
	return n
}

// The names that have a record's number: of the event, and of the row.
const (
	eventPrefix = "e-"
	rowPrefix   = "R-"
)

// Row is what the org holds of a record.
type Row struct {
	ID      string `json:"Ext__c"`
	Kind    string `json:"Kind__c"`
	Value   string `json:"Value__c"`
	Meter   string `json:"Meter__c"`
	Place   string `json:"Place__c"`
	Mail    string `json:"Mail__c"`
	Remarks string `json:"Remarks__c"`
}

func value(i int64) string   { return strconv.FormatInt(1_000_000+i, 10) }
func remarks(i int64) string { return numbered("read on the usual round, number ", i) }

// mail of a record; that of an invalid one is none.
func mail(i int64, s Sort) string {
	if s == Invalid {
		return "nobody"
	}
	return numbered("meter.", i) + "@readings.example"
}

// row is what the org must hold of record i in the end, which lands and is no update.
func (l Load) row(i int64) Row {
	newest := i
	if u := l.update(i); u >= 0 {
		newest = u
	}
	s := l.sort(i)
	return Row{
		ID: numbered(rowPrefix, i), Kind: s.String(), Value: value(newest), Meter: numbered("Meter ", i%1_000_003), Place: numbered("Street ", i%4_099), Mail: mail(i, s),
		Remarks: remarks(newest),
	}
}

// Record is record i as it is published.
func (l Load) Record(b []byte, i int64) publish.Record {
	s := l.sort(i)
	b = digits(append(b, `{"event":"`+eventPrefix...), i)
	if t := l.target(i); t >= 0 {
		b = digits(append(b, `","id":"`+rowPrefix...), t)
	} else {
		b = digits(append(b, `","id":"`+rowPrefix...), i)
		b = append(append(b, `","kind":"`...), s.String()...)
		b = digits(append(b, `","meter":"Meter `...), i%1_000_003)
		b = digits(append(b, `","place":"Street `...), i%4_099)
		b = append(append(b, `","mail":"`...), mail(i, s)...)
	}
	b = append(append(b, `","remarks":"`...), remarks(i)...)
	if s == Refused {
		b = append(b, `","value":"none"}`...)
	} else {
		b = append(append(append(b, `","value":`...), value(i)...), '}')
	}
	return publish.Record{Body: b}
}

// model is the org's.
const model = `objects:
  - name: Reading__c
    keyPrefix: "a01"
    fields:
      - {name: Ext__c, type: string, length: 40, externalId: true, unique: true}
      - {name: Kind__c, type: string, length: 20}
      - {name: Value__c, type: double, precision: 18, scale: 0}
      - {name: Meter__c, type: string, length: 40}
      - {name: Place__c, type: string, length: 40}
      - {name: Mail__c, type: email}
      - {name: Remarks__c, type: string, length: 80}
`

// definition is the pipeline's, with chunks for large loads, as docs/guides/definitions.md advises. The stream holds two million records: then publishers
// are refused, and wait, so that records are published for most of the time.
func definition() []byte {
	return fmt.Appendf(nil, `apiVersion: bulkhead/v1
kind: Pipeline
name: %s
org: main
object: %s
operation: upsert
externalId: Ext__c
key: [event]
map:
  - {from: id, to: Ext__c, type: string, required: true}
  - {from: kind, to: Kind__c, type: string}
  - {from: value, to: Value__c, type: number}
  - {from: meter, to: Meter__c, type: string}
  - {from: place, to: Place__c, type: string}
  - {from: mail, to: Mail__c, type: string}
  - {from: remarks, to: Remarks__c, type: string}
chunk: {rows: 200000, bytes: 100MB, age: 10s}
backlog: 512MiB
`, pipelineName, object)
}

// faults are the org's rules for the sorts that it refuses for no reason of its own.
func faults() []byte {
	const lock = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"
	rule := func(s Sort, perKey int, text string) string {
		return fmt.Sprintf(`{"id":%[1]q,"match":{"object":%[2]q},"where":{"field":"Kind__c","in":[%[1]q]},"times":0,"times_per_key":%[3]d,"effect":{"kind":"row_error","error":%[4]q}}`,
			s, object, perKey, text)
	}
	return []byte("[" + strings.Join([]string{rule(Once, 1, lock), rule(Twice, 2, lock), rule(Unknown, 0, Unknown.code()+":the meter is asleep:--")}, ",") + "]")
}
