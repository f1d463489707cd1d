package submit

import (
	"fmt"
	"testing"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store"
)

const prices = "prices"

// pricesHeader are the columns of the other pipeline: some that accounts has too, in another order and case, and others.
var pricesHeader = []string{"Site", "phone", "External_Id__c", "Name"}

// define applies a revision of the other pipeline, with these lines beside those that all have.
func (b *bench) define(revision int, lines string) {
	b.t.Helper()
	text := "apiVersion: bulkhead/v1\nkind: Pipeline\nname: prices\norg: main\nobject: Account\n" + lines +
		"map:\n  - {to: External_Id__c, from: id, required: true}\n"
	d, _, err := pipeline.ParseDefinition([]byte(text))
	if err != nil {
		b.t.Fatal(err)
	}
	d.Revision = revision
	if b.defined == nil {
		b.defined = map[store.Revision]*pipeline.Definition{}
	}
	b.defined[store.Revision{Pipeline: prices, Number: revision}] = d
	b.applied(revision)
}

func (b *bench) applied(revision int) {
	b.t.Helper()
	b.insert("ops", "definitions", map[string]any{"name": prices, "revision": revision})
}

// ofPrices makes the other pipeline's columns known.
func (b *bench) ofPrices() {
	b.t.Helper()
	b.exec(`INSERT INTO extractor.pipelines (name) VALUES ($1)`, prices)
	for i, name := range pricesHeader {
		b.exec(`INSERT INTO extractor.columns (pipeline_id, ordinal, name) SELECT id, $2, $3 FROM extractor.pipelines WHERE name = $1`, prices, i, name)
	}
}

// pricesSaid is a record of the other pipeline in a chunk of it, with an outcome if there is one; columns are named.
func (b *bench) pricesSaid(operation string, version byte, state string, named ...string) {
	b.t.Helper()
	r := withVersion(version, oneRow(7, "e", "x", ""))
	hash := record.HashKey(prices, "key-7")
	r.records[0].KeyHash = hash[:]
	r.records[0].Columns = nil
	var bits record.Bitmap
	for _, n := range named {
		for i, h := range pricesHeader {
			if h == n {
				bits.Set(i)
			}
		}
	}
	r.records[0].Columns = bits
	c := b.sealAs(shape{"Account", operation, "External_Id__c", testSpace, testHeader}, prices, record.ChunkFresh, 0, r)
	b.acceptFor(prices, c.id, r)
	if state != "" {
		b.outcome(c, state)
	}
}

const (
	upsertsWithVersion    = "operation: upsert\nexternalId: External_Id__c\nkey: [id, v]\nversion: v\n"
	upsertsWithoutVersion = "operation: upsert\nexternalId: External_Id__c\n"
)

// What another pipeline with versions sent of the same entities is newer by its version, told field by field, whoever reads first.
func TestVersionsOfAnotherPipelineCount(t *testing.T) {
	all := []string{"External_Id__c", "Name", "phone"}
	tests := []struct {
		name string
		// lines are of the revisions of the other pipeline, the oldest first; operation is that of what it sent.
		lines     []string
		operation string
		theirs    byte // its version
		state     string
		named     []string
		// kind and own are of the chunk in hand, which names Name and Phone.
		kind string
		own  byte
		// want is what is uploaded; "" = nothing.
		want string
	}{
		{
			name: "a fresh row that comes late is left out for what covers it", lines: []string{upsertsWithVersion}, theirs: 5, state: "l", named: all,
			kind: record.ChunkFresh, own: 3, want: "",
		},
		{
			name: "a row that is sent again is left out for what covers it", lines: []string{upsertsWithVersion}, theirs: 5, state: "l", named: all,
			kind: record.ChunkResend, own: 3, want: "",
		},
		{
			name: "fields that the other names are left out, whatever their order and case there", lines: []string{upsertsWithVersion}, theirs: 5, state: "l",
			named: []string{"External_Id__c", "phone", "Site"}, kind: record.ChunkFresh, own: 3, want: "e,old,\n",
		},
		{
			name: "an older version takes nothing", lines: []string{upsertsWithVersion}, theirs: 2, state: "l", named: all,
			kind: record.ChunkFresh, own: 3, want: "e,old,111\n",
		},
		{
			name: "an equal version takes nothing and is no conflict", lines: []string{upsertsWithVersion}, theirs: 3, state: "l", named: all,
			kind: record.ChunkFresh, own: 3, want: "e,old,111\n",
		},
		{
			name: "what may have been sent counts", lines: []string{upsertsWithVersion}, theirs: 5, state: "m", named: all,
			kind: record.ChunkFresh, own: 3, want: "",
		},
		{
			name: "what failed takes nothing", lines: []string{upsertsWithVersion}, theirs: 5, state: "f", named: all,
			kind: record.ChunkFresh, own: 3, want: "e,old,111\n",
		},
		{
			name: "a fresh row goes before what is not sent yet", lines: []string{upsertsWithVersion}, theirs: 5, named: all,
			kind: record.ChunkFresh, own: 3, want: "e,old,111\n",
		},
		{
			name: "a row that is sent again is left out for what will cover it", lines: []string{upsertsWithVersion}, theirs: 5, named: all,
			kind: record.ChunkResend, own: 3, want: "",
		},
		{
			name: "a delete covers every field", lines: []string{"operation: delete\nexternalId: External_Id__c\nkey: [id, v]\nversion: v\n"}, operation: "delete",
			theirs: 5, state: "l", named: []string{"External_Id__c"}, kind: record.ChunkFresh, own: 3, want: "",
		},
		{
			name: "a pipeline that named versions before counts with what it sent then", lines: []string{upsertsWithVersion, upsertsWithoutVersion},
			theirs: 5, state: "l", named: all, kind: record.ChunkFresh, own: 3, want: "",
		},
		{
			name: "a pipeline whose definition cannot be read counts with what it sent", lines: []string{""}, theirs: 5, state: "l", named: all,
			kind: record.ChunkFresh, own: 3, want: "",
		},
		{
			name: "a pipeline without versions takes nothing", lines: []string{upsertsWithoutVersion}, state: "l", named: all,
			kind: record.ChunkFresh, own: 3, want: "e,old,111\n",
		},
		{
			name: "a row without a version is not asked about elsewhere", lines: []string{upsertsWithVersion}, theirs: 5, state: "l", named: all,
			kind: record.ChunkResend, want: "e,old,111\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.ofPrices()
			for i, lines := range tt.lines {
				if lines == "" {
					b.applied(i + 1)
					continue
				}
				b.define(i+1, lines)
			}
			operation := "upsert"
			if tt.operation != "" {
				operation = tt.operation
			}
			b.pricesSaid(operation, tt.theirs, tt.state, tt.named...)
			own := withVersion(tt.own, oneRow(20, "e", "old", "111"))
			c := b.seal(tt.kind, 0, own)
			b.accept(c.id, own)
			b.note(c)
			b.turns(NewRunner(b.config), 5)
			if tt.want == "" {
				if got := b.stage(c); got != StageNothingSent {
					t.Fatalf("the chunk is %s, want nothing_sent", got)
				}
				hash := record.HashKey(prices, "key-7")
				if got := ask[[16]byte](b, `SELECT successor_key_hash FROM submitter_pub.superseded WHERE chunk = $1`, c.id); record.Hash(got) != hash {
					t.Errorf("it names %x as its successor, want %x", got, hash)
				}
				return
			}
			if got := b.stage(c); got != StageSubmitted {
				t.Fatalf("the chunk is %s, want submitted: %s", got, b.text(c, "last_error"))
			}
			if got, want := string(b.sim.UploadOf(b.text(c, "job_id"))), "External_Id__c,Name,Phone\n"+tt.want; got != want {
				t.Errorf("uploaded %q, want %q", got, want)
			}
		})
	}
}

func TestFieldOf(t *testing.T) {
	for column, want := range map[string]string{
		"Name": "name", "Load_Key__c": "load_key__c", "Account.Number__c": "accountid", "Project__r.Code__c": "project__c", "User:Owner.Email": "ownerid",
		"Contact:Link__r.Key__c": "link__c", "AccountId": "accountid",
	} {
		t.Run(fmt.Sprintf("column %s writes the field %s", column, want), func(t *testing.T) {
			if got := fieldOf(column); got != want {
				t.Errorf("got %s", got)
			}
		})
	}
}
