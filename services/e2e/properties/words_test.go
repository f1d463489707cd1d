package properties

import (
	"cmp"
	"strings"
)

// columns are the fields that records of every pipeline may name, by member.
var columns = []struct{ member, field string }{{"a", "A__c"}, {"b", "B__c"}, {"c", "C__c"}}

// kind is what a pipeline does with its records.
type kind struct {
	pipeline, object, operation string
	versioned, whole            bool
	lanes                       int
}

func (k kind) inserts() bool { return k.operation == "insert" }
func (k kind) updates() bool { return k.operation == "update" }

// kinds are the pipelines of the stack.
var kinds = []kind{
	{pipeline: "patches", object: "Patch__c", operation: "upsert", lanes: 2},
	{pipeline: "dated", object: "Dated__c", operation: "upsert", versioned: true, lanes: 1},
	{pipeline: "wholes", object: "Whole__c", operation: "upsert", whole: true, lanes: 1},
	{pipeline: "snapshots", object: "Snapshot__c", operation: "upsert", whole: true, versioned: true, lanes: 2},
	{pipeline: "updates", object: "Update__c", operation: "update", lanes: 2},
	{pipeline: "inserts", object: "Insert__c", operation: "insert", lanes: 1},
}

// order says which record of an entity is newer.
type order struct {
	version int // 0 where the pipeline names none
	seq     uint64
	idx     int
}

func (o order) compare(p order) int {
	return cmp.Or(cmp.Compare(o.version, p.version), cmp.Compare(o.seq, p.seq), cmp.Compare(o.idx, p.idx))
}

// place is where a record stands in its stream.
type place struct {
	seq uint64
	idx int
}

// Verdicts of the model, beside the words of the balance.
const (
	landed     = "landed"
	dead       = "dead"
	superseded = "superseded"
	discarded  = "discarded"
)

// end is a state that a record may come to rest in.
type end struct{ state, class, code string }

func (e end) String() string { return strings.TrimSuffix(e.state+" "+e.class+" "+e.code, "  ") }

// matches compares with what the product says; an empty class or code is any.
func (e end) matches(o end) bool {
	return e.state == o.state && (e.class == "" || e.class == o.class) && (e.code == "" || e.code == o.code)
}

// fate is what the org does to the rows of an entity during a phase.
type fate string

const (
	fateNone      fate = "nothing happens"
	fateLock      fate = "locked twice"
	fateTransient fate = "unavailable once"
	fateParent    fate = "parent missing once"
	fateLost      fate = "lost from the results once"
	fateData      fate = "refused"
	fateDuplicate fate = "duplicate"
	fateOrphan    fate = "parent missing"
)

var fates = []fate{fateNone, fateLock, fateTransient, fateParent, fateLost, fateData, fateDuplicate, fateOrphan}

// class is that of the letters; "" = rows land.
func (f fate) class() string {
	switch f {
	case fateData:
		return "data"
	case fateDuplicate:
		return "duplicate"
	case fateOrphan:
		return "reference"
	case fateNone, fateLock, fateTransient, fateParent, fateLost:
	}
	return ""
}

// sentAgain says whether rows come back by themselves.
func (f fate) sentAgain() bool { return f != fateNone && f != fateData && f != fateDuplicate }
