package load

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// Names of the pipelines.
const (
	parts    = "parts"    // patches of rows, ordered by the stream; parents of children
	dated    = "dated"    // patches ordered by a version
	prices   = "prices"   // other fields of the rows of dated, ordered by a version of their own
	labels   = "labels"   // records whose key is what they say: A, B, A
	orders   = "orders"   // inserts known again by a unique field
	visits   = "visits"   // inserts known again by what they hold, some of them equal
	phones   = "phones"   // updates of rows found by a unique field
	levels   = "levels"   // updates of rows named by their Id
	removals = "removals" // deletes of rows found by a unique field
	children = "children" // rows that refer to a part, which may come later or never
)

// pipeline is a definition as the load knows it.
type pipeline struct {
	history.Pipeline

	prefix string // of the object's ids
	key    string // the member that names the event; "" = the definition names none
	member string // the member of the field that rows are found by
	// columns are the others, members by field.
	columns []column
	// share of the records, in parts of the sum of all.
	share int
	// below is the number of rows below which chunks go by calls of collections; 0 = all go by jobs.
	below int
	rows  int // of a chunk, at most
	age   int // of a chunk, at most, in ms
}

type column struct{ member, field string }

// stamped are the columns of most pipelines.
func stamped(letters ...string) []column {
	out := []column{{"stamp", stampField}}
	for _, l := range letters {
		out = append(out, column{l, strings.ToUpper(l) + "__c"})
	}
	return out
}

// Fields that several objects have.
const (
	extField    = "Ext__c"
	stampField  = "Stamp__c"
	mailField   = "Mail__c"
	serialField = "Serial__c"
	twinField   = "Twin__c"
	stateField  = "State__c"
	sourceField = "Source__c"
)

// special are the columns by which the org can be made to refuse a row.
var special = []column{{"mail", mailField}, {"serial", serialField}, {"twin", twinField}}

func all() []pipeline {
	upsert := func(name, object, prefix string) pipeline {
		return pipeline{
			Pipeline: history.Pipeline{Name: name, Object: object, Operation: "upsert", Field: extField, Stamp: stampField},
			prefix:   prefix, key: "event", member: "id", rows: 200, age: 1300,
		}
	}
	p := upsert(parts, "Part__c", "a01")
	p.columns, p.share, p.rows, p.age = append(stamped("a", "b", "c"), special...), 26, 150, 1000
	d := upsert(dated, "Dated__c", "a02")
	d.columns, d.share, d.Versioned, d.Exact = append(stamped("a", "b", "c"), special...), 16, true, true
	m := upsert(prices, "Dated__c", "a02")
	m.columns, m.share, m.Versioned, m.Stamp = []column{{"stamp", "Price_Stamp__c"}, {"d", "D__c"}, {"e", "E__c"}}, 10, true, "Price_Stamp__c"
	l := upsert(labels, "Label__c", "a03")
	l.columns, l.share, l.key, l.Stamp, l.Exact = []column{{"state", stateField}}, 8, "", "", true
	o := upsert(orders, "Order__c", "a04")
	o.Operation, o.Field, o.Stamp, o.member, o.key = "insert", "Request__c", "Request__c", "request", "request"
	o.columns, o.share = append([]column{{"name", "Name__c"}, {"a", "A__c"}}, special...), 13
	v := upsert(visits, "Visit__c", "a05")
	v.Operation, v.Field, v.Stamp, v.member, v.key = "insert", "", "", "", "visit"
	v.columns, v.share = []column{{"place", "Place__c"}, {"kind", "Kind__c"}}, 4
	f := upsert(phones, "Phone__c", "a06")
	f.Operation, f.key, f.columns, f.share = "update", "", stamped("a", "b"), 6
	e := upsert(levels, "Level__c", "a07")
	e.Operation, e.Field, e.columns, e.share = "update", "Id", stamped("a", "b"), 6
	r := upsert(removals, "Removal__c", "a08")
	r.Operation, r.Stamp, r.key, r.share, r.Exact = "delete", "", "request", 5, true
	c := upsert(children, "Child__c", "a09")
	c.columns, c.share = append(stamped("a"), column{"parent", parentColumn}), 6
	c.Parent, c.ParentPipeline = parentColumn, parts
	out := []pipeline{p, d, m, l, o, v, f, e, r, c}
	for i := range out {
		out[i].below = below[out[i].Name]
		out[i].Fields, out[i].Constants = out[i].fields(), map[string]string{}
		if name := out[i].Name; out[i].Operation == "upsert" && name != labels && name != prices {
			out[i].Constants[sourceField] = "chaos"
		}
	}
	return out
}

// below are the numbers of rows below which chunks go by calls of collections, of half of the pipelines of keyed operations: all chunks of an upsert whose
// records carry versions, beside another by jobs on the same rows, of one without and of an update by Id; the smaller ones of a delete, of which there is no
// other pipeline.
var below = map[string]int{dated: 2000, labels: 2000, levels: 2000, removals: 6}

// parentColumn is the relationship column of children.
const parentColumn = "Parent__r." + extField

// addedColumn is what a changed definition of parts has more.
var addedColumn = column{"d", "D__c"}

func (p pipeline) fields() []string {
	var out []string
	if p.Field != "" {
		out = append(out, p.Field)
	}
	for _, c := range p.columns {
		out = append(out, c.field)
	}
	if p.Name == parts {
		out = append(out, addedColumn.field)
	}
	return out
}

// Pipelines are those of every run, with what their records mean.
func Pipelines() []history.Pipeline {
	var out []history.Pipeline
	for _, p := range all() {
		out = append(out, p.Pipeline)
	}
	return out
}

// Definitions are the first revisions of all pipelines, by name. They are of the org "main".
func Definitions() map[string][]byte {
	out := map[string][]byte{}
	for _, p := range all() {
		out[p.Name] = p.definition()
	}
	return out
}

func (p pipeline) definition() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: bulkhead/v1\nkind: Pipeline\nname: %s\norg: main\nobject: %s\noperation: %s\n", p.Name, p.Object, p.Operation)
	switch {
	case p.Operation != "insert":
		fmt.Fprintf(&b, "externalId: %s\n", p.Field)
	case p.Field != "":
		fmt.Fprintf(&b, "correlation: %s\n", p.Field)
	default:
		b.WriteString("correlation: content\n")
	}
	if p.key != "" {
		fmt.Fprintf(&b, "key: [%s]\n", p.key)
	}
	if p.Versioned {
		b.WriteString("version: v\n")
	}
	if p.Operation == "upsert" || p.Operation == "update" {
		b.WriteString("records: patch\n")
	}
	if p.ParentPipeline != "" {
		fmt.Fprintf(&b, "dependsOn: [%s]\n", p.ParentPipeline)
	}
	// What names the event, where no column takes it, is a member all the same: it is allowed like the others.
	b.WriteString("unknownMembers: reject\nemptyString: reject\nmap:\n")
	if p.Field != "" {
		typ := "string"
		if p.Field == "Id" {
			typ = "id"
		}
		fmt.Fprintf(&b, "  - {from: %s, to: %s, type: %s, required: true}\n", p.member, p.Field, typ)
	}
	for _, c := range p.columns {
		fmt.Fprintf(&b, "  - {from: %s, to: %s, type: string}\n", c.member, c.field)
	}
	for field, value := range p.Constants { // there is one at most
		fmt.Fprintf(&b, "  - {const: %s, to: %s}\n", value, field)
	}
	fmt.Fprintf(&b, "bulk: {threshold: %d}\nlanes: 2\nchunk: {rows: %d, bytes: 1MB, age: %dms}\nbacklog: 64MiB\nretry: {preset: default}\n", p.below, p.rows, p.age)
	return []byte(b.String())
}

// changed is a later revision of a definition: other chunks, another policy, and for parts one more column. Each turn is another text.
func (p pipeline) changed(turn int) []byte {
	p.rows, p.age = []int{60, 90, 120}[turn%3], 900+150*(turn%3)
	if p.Name == parts {
		p.columns = append(slices.Clone(p.columns), addedColumn)
	}
	text := string(p.definition())
	policy := fmt.Sprintf("retry: {preset: default, transient: {attempts: %d, base: 200ms, max: 1s}}", 7-turn%2)
	return []byte(strings.Replace(text, "retry: {preset: default}", policy, 1))
}

// lookup finds a pipeline by its name.
func lookup(name string) pipeline {
	pipelines := all()
	i := slices.IndexFunc(pipelines, func(p pipeline) bool { return p.Name == name })
	if i < 0 {
		panic("load has no pipeline " + name)
	}
	return pipelines[i]
}
