package badrecords

import (
	"fmt"
	"strings"
)

// objects of the org, one for each pipeline, so that none waits for the lane of another.
var objects = []string{"Widget__c", "Keyed__c", "Named__c", "Insert__c", "Update__c", "Ident__c", "Delete__c", "Version__c", "Null__c", "Keep__c", "Part__c", "Orphan__c"}

// model gives every object the same fields.
func model() string {
	var b strings.Builder
	b.WriteString("objects:\n")
	for i, name := range objects {
		fmt.Fprintf(&b, "  - name: %s\n    keyPrefix: \"a%02d\"\n    fields:\n", name, i)
		for _, f := range []string{
			"name: Ext__c, type: string, length: 255, externalId: true, unique: true",
			"name: Name, type: string, length: 255",
			"name: Notes__c, type: textarea, length: 32000",
			"name: More__c, type: textarea, length: 32000",
			"name: Rest__c, type: textarea, length: 32000",
			"name: Price__c, type: double, precision: 18, scale: 2",
			"name: Exact__c, type: string, length: 60",
			"name: Active__c, type: boolean",
			"name: Born__c, type: date",
			"name: Seen__c, type: datetime",
			"name: Widget__c, type: reference, referenceTo: Widget__c, relationshipName: Widget__r",
			"name: Sum__c, type: double, precision: 18, scale: 2, readOnly: true",
		} {
			fmt.Fprintf(&b, "      - {%s}\n", f)
		}
	}
	b.WriteString("  - {name: Holiday, keyPrefix: \"0C0\", queryOnly: true, fields: [{name: Ext__c, type: string, externalId: true, unique: true}, {name: Name, type: string}]}\n")
	return b.String()
}

const (
	mapExt = "{from: id, to: Ext__c, type: string, required: true}"
	mapID  = "{from: id, to: Id, type: id, required: true}"
	common = `{from: name, to: Name, type: string}
{from: notes, to: Notes__c, type: string}
{from: more, to: More__c, type: string}
{from: rest, to: Rest__c, type: string}
{from: price, to: Price__c, type: number}
{from: exact, to: Exact__c, type: number}
{from: active, to: Active__c, type: boolean}
{from: born, to: Born__c, type: date}
{from: seen, to: Seen__c, type: datetime}
{from: widget, to: Widget__c, type: id}`
)

// definition writes a pipeline's definition; mappings and extra hold one thing a line.
func definition(name, object, extra, mappings string) string {
	text := "apiVersion: bulkhead/v1\nkind: Pipeline\nname: " + name + "\norg: main\nobject: " + object + "\n" + extra + "\n" +
		"lanes: 1\nchunk: {rows: 1000, bytes: 50MB, age: 300ms}\nbacklog: 64MiB\n"
	if !strings.Contains(extra, "retry:") {
		text += "retry: {preset: default}\n"
	}
	text += "map:\n"
	for m := range strings.Lines(mappings) {
		text += "  - " + strings.TrimSpace(m) + "\n"
	}
	return text
}

const parent = "{from: name, to: Name, type: string}\n{from: parent, to: Widget__r.Ext__c, type: string}"

const upsert = "operation: upsert\nexternalId: Ext__c"

// pipelines are those that the messages of the catalogue are published to, by name.
var pipelines = map[string]string{
	"widgets": definition("widgets", "Widget__c", upsert, mapExt+"\n"+common),
	"keyed":   definition("keyed", "Keyed__c", upsert+"\nkey: [event]", mapExt+"\n"+common),
	"named":   definition("named", "Named__c", upsert, mapExt+"\n"+common),
	"inserts": definition("inserts", "Insert__c", "operation: insert\ncorrelation: Ext__c\nkey: [event]", mapExt+"\n"+common),
	"updates": definition("updates", "Update__c", "operation: update\nexternalId: Ext__c", mapExt+"\n"+common),
	"idents":  definition("idents", "Ident__c", "operation: update\nexternalId: Id", mapID+"\n"+common),
	"deletes": definition("deletes", "Delete__c", "operation: delete\nexternalId: Ext__c", mapExt),
	"version": definition("version", "Version__c", upsert+"\nversion: v", mapExt+"\n"+common),
	"nulls":   definition("nulls", "Null__c", upsert+"\nemptyString: null", mapExt+"\n"+common),
	"keeps":   definition("keeps", "Keep__c", upsert+"\nemptyString: keep", mapExt+"\n"+common),
	"parts":   definition("parts", "Part__c", upsert+"\nretry: {reference: {attempts: 50, base: 500ms, max: 2s}}", mapExt+"\n"+parent),
	"orphans": definition("orphans", "Orphan__c", upsert, mapExt+"\n"+parent),
}

// document is a definition that is refused when it is applied.
type document struct {
	n    int
	name string
	text string
	// says is a part of the refusal.
	says string
}

const refusedAtApply = "refused at apply"

var documents = []document{
	{27, "an object that does not exist", definition("bad", "Widgit__c", upsert, mapExt), "Widget__c"},
	{28, "an object that nobody may write", definition("bad", "Holiday", upsert, mapExt), "may not"},
	{29, "UPSERT in capitals", definition("bad", "Widget__c", "operation: UPSERT\nexternalId: Ext__c", mapExt), `did you mean "upsert"`},
	{30, "the operation merge", definition("bad", "Widget__c", "operation: merge\nexternalId: Ext__c", mapExt), "insert, update, upsert, delete"},
	{31, "the operation hardDelete", definition("bad", "Widget__c", "operation: hardDelete\nexternalId: Ext__c", mapExt), "switched off"},
	{32, "a delete that does not fill its key", definition("bad", "Delete__c", "operation: delete\nexternalId: Ext__c", "{from: name, to: Name, type: string}"), "Ext__c"},
	{32, "a delete that names none", definition("bad", "Delete__c", "operation: delete", mapExt), "externalId"},
	{33, "an update that does not fill its key", definition("bad", "Update__c", "operation: update\nexternalId: Id", "{from: name, to: Name, type: string}"), "Id"},
	{33, "an update that names none", definition("bad", "Update__c", "operation: update", mapExt), "externalId"},
	{34, "an insert that fills Id", definition("bad", "Insert__c", "operation: insert\ncorrelation: Ext__c\nkey: [event]", mapExt+"\n{from: sf, to: Id, type: id}"), "Id"},
	{37, "a field that does not exist", definition("bad", "Widget__c", upsert, mapExt+"\n{from: name, to: Naem, type: string}"), "Name"},
	{38, "a field of the org's own", definition("bad", "Widget__c", upsert, mapExt+"\n{from: at, to: CreatedDate, type: datetime}"), "CreatedDate"},
	{39, "a formula", definition("bad", "Widget__c", upsert, mapExt+"\n{from: sum, to: Sum__c, type: number}"), "Sum__c"},
	{41, "a field in another case", definition("bad", "Widget__c", upsert, mapExt+"\n{from: price, to: PRICE__C, type: number}"), "Price__c"},
}
