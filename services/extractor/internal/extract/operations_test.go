package extract

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/libs/record"
)

// other is the definition of another operation: its first lines replace those of the upsert.
func other(operation, keyField string, extra ...string) string {
	out := strings.Replace(definition(extra...), "operation: upsert", "operation: "+operation, 1)
	return strings.Replace(out, "externalId: External_Id__c", keyField, 1)
}

const (
	idMap      = "map:\n  - {from: id, to: Id, type: id, required: true}\n  - {from: last, to: LastName, type: string}"
	deleteMap  = "map:\n  - {from: id, to: Id, type: id, required: true}"
	contentMap = "map:\n  - {from: last, to: LastName, type: string}\n  - {from: email, to: Email, type: string}"
	versioned  = "version: v"
)

// sealedAs is what the row of a chunk says of where it goes.
type sealedAs struct {
	Operation, KeyField, Space string
	Header                     []string
}

func (b *bench) sealedAs() []sealedAs {
	b.Helper()
	rows, err := b.admin.Query(b.Context(), "SELECT operation, external_id_field, space, header FROM extractor_pub.chunks ORDER BY seal_no")
	b.must(err)
	defer rows.Close()
	var out []sealedAs
	for rows.Next() {
		var s sealedAs
		b.must(rows.Scan(&s.Operation, &s.KeyField, &s.Space, &s.Header))
		out = append(out, s)
	}
	b.must(rows.Err())
	return out
}

// full is everything that the ledger counts; accepted is what the balance goes by.
type full struct{ Accepted, Rows, Dead, Superseded, Repeats int }

func (b *bench) full() full {
	b.Helper()
	f := full{
		Rows:       b.count("SELECT sum(records)::int FROM extractor_pub.chunk_runs"),
		Dead:       b.count("SELECT count(*)::int FROM extractor_pub.dead"),
		Superseded: b.count("SELECT count(*)::int FROM extractor_pub.superseded"),
		Repeats:    b.count("SELECT sum(n)::int FROM extractor_pub.repeats"),
	}
	f.Accepted = b.count("SELECT sum(accepted)::int FROM extractor_pub.chunk_runs") +
		b.count("SELECT count(*)::int FROM extractor_pub.dead WHERE accepted") + f.Superseded
	return f
}

func (b *bench) wantFull(want full) {
	b.Helper()
	if diff := cmp.Diff(want, b.full()); diff != "" {
		b.Fatalf("the ledger's counts (-want +got):\n%s", diff)
	}
	if n := b.count("SELECT count(*)::int FROM extractor.chunk_runs WHERE accepted IS NULL") + b.count("SELECT count(*)::int FROM extractor.dead WHERE accepted IS NULL"); n != 0 {
		b.Errorf("%d counts do not say what is accepted", n)
	}
}

// discard gives up every letter of the extractor, as ops would.
func (b *bench) discard() {
	b.Helper()
	order(b)
	b.exec("UPDATE ops.letters SET state = 'discarded', taker = ''")
}

func TestOperations(t *testing.T) {
	t.Parallel()
	t.Run("inserts of one entity are rows of their own, never merged and never in one chunk", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, other("insert", "correlation: External_Id__c", defaultMap, defaultChunk, "lanes: 1"))
		r := b.reader("one")
		b.single("k1", contact("a", "A"))
		b.single("k2", contact("a", "B"))
		b.single("k3", contact("c", "C"))
		b.single("k1", contact("a", "A"))
		b.settle(r)
		b.wantFull(full{Accepted: 3, Rows: 3, Repeats: 1})
		if diff := cmp.Diff([]string{"a,A,", "a,B,", "c,C,"}, b.rows()); diff != "" {
			t.Error(diff)
		}
		if n := len(b.chunks()); n != 2 {
			t.Errorf("%d chunks, want one for the first row of the entity and one for the rest", n)
		}
		want := sealedAs{"insert", "External_Id__c", "main/Contact/External_Id__c", []string{"External_Id__c", "LastName", "Email"}}
		if diff := cmp.Diff(want, b.sealedAs()[0]); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("an insert that nothing names is refused, wherever it stands", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, other("insert", "correlation: External_Id__c", defaultMap, defaultChunk))
		b.single("", contact("a", "A"))
		b.frame("", contact("b", "B"), `{"id":`)
		b.settle(b.reader("one"))
		if diff := cmp.Diff([]string{record.CodeMissingKey, record.CodeMissingKey, record.CodeNotJSON}, b.codes()); diff != "" {
			t.Error(diff)
		}
		b.wantFull(full{Accepted: 3, Dead: 3})
	})

	t.Run("a letter of an insert that nothing names is refused again until the definition says where its key stands", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, other("insert", "correlation: External_Id__c", defaultMap, defaultChunk, "unknownMembers: ignore"))
		b.single("", `{"event":"e1","id":"a","last":"A"}`)
		b.settle(b.reader("one"))
		order(b)
		p := &Replayer{Deps: b.deps("replayer")}
		_, err := p.Pass(t.Context())
		b.must(err)
		b.wantFull(full{Accepted: 1, Dead: 2})
		b.apply(2, other("insert", "correlation: External_Id__c", defaultMap, defaultChunk, keyed))
		b.exec("UPDATE ops.letters SET state = 'died_again'")
		order(b)
		_, err = p.Pass(t.Context())
		b.must(err)
		b.wantFull(full{Accepted: 1, Dead: 2, Rows: 1})
	})

	t.Run("identical rows without a key field are as many rows as there are keys, each an entity of its own", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, other("insert", "correlation: content", contentMap, defaultChunk, "lanes: 2"))
		r := b.reader("one")
		for i := range 6 {
			b.single(fmt.Sprintf("k%d", i%5), `{"last":"same","email":"a@example.com"}`)
		}
		b.settle(r)
		b.wantFull(full{Accepted: 5, Rows: 5, Repeats: 1})
		for _, row := range b.rows() {
			if row != "same,a@example.com" {
				t.Errorf("row %q", row)
			}
		}
		want := sealedAs{"insert", "", "main/Contact/content-contacts:exact", []string{"LastName", "Email"}}
		if diff := cmp.Diff(want, b.sealedAs()[0]); diff != "" {
			t.Error(diff)
		}
		if n := b.count("SELECT count(DISTINCT entity_hash)::int FROM extractor.records"); n != 5 {
			t.Errorf("%d entities, want 5", n)
		}
		b.single("bad", `{"last":7}`)
		b.settle(r)
		b.apply(2, other("insert", "correlation: content", strings.Replace(contentMap, "LastName, type: string", "LastName, type: number", 1), defaultChunk, "lanes: 2"))
		order(b)
		_, err := (&Replayer{Deps: b.deps("replayer")}).Pass(t.Context())
		b.must(err)
		chunks := b.chunks()
		last := chunks[len(chunks)-1]
		if e := last.Manifest.GetRows()[0].GetRecords()[0]; last.Kind != record.ChunkReplay || e.GetKey() != "bad" || e.GetGeneration() != 1 {
			t.Errorf("chunk %s of %v", last.Kind, e)
		}
	})

	t.Run("an Id of 15 and one of 18 characters are one row of an update", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, other("update", "externalId: Id", idMap, defaultChunk))
		b.single("k1", `{"id":"003000000000AbC","last":"A"}`)
		b.single("k2", `{"id":"003000000000AbCAAU","last":"B"}`)
		b.single("k3", `{"id":"003000000000aBc","last":"other"}`)
		b.settle(b.reader("one"))
		if n := len(b.rows()); n != 2 {
			t.Errorf("rows %v, want the two of one id merged", b.rows())
		}
		want := sealedAs{"update", "Id", "main/Contact/Id:exact", []string{"Id", "LastName"}}
		if diff := cmp.Diff(want, b.sealedAs()[0]); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("deletes carry the key field and nothing else", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, other("delete", "externalId: Id", deleteMap, defaultChunk))
		b.single("k1", `{"id":"003000000000AbC"}`)
		b.single("k2", `{"id":null}`)
		b.settle(b.reader("one"))
		b.wantFull(full{Accepted: 2, Rows: 1, Dead: 1})
		if diff := cmp.Diff([]string{record.CodeMissingExternalID}, b.codes()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(sealedAs{"delete", "Id", "main/Contact/Id:exact", []string{"Id"}}, b.sealedAs()[0]); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRecordVersions(t *testing.T) {
	t.Parallel()
	change := func(id string, v int, members string) string {
		return fmt.Sprintf(`{"id":%q,"v":%d,%s}`, id, v, members)
	}

	t.Run("what comes behind newer versions that are sealed is reduced to what they do not say, or superseded", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, versioned))
		r := b.reader("one")
		b.single("k9", change("a", 9, `"last":"nine"`))
		b.settle(r)
		b.single("k5", change("a", 5, `"last":"five"`))
		b.single("k6", change("a", 6, `"last":"six","email":"six@example.com"`))
		b.single("k4", change("a", 4, `"last":null,"email":"four@example.com"`))
		b.single("k5", change("a", 5, `"last":"five"`))
		b.settle(r)
		b.wantFull(full{Accepted: 4, Rows: 2, Superseded: 2, Repeats: 1})
		if diff := cmp.Diff([]string{"a,nine,", "a,,six@example.com"}, b.rows()); diff != "" {
			t.Error(diff)
		}
		wrong := `SELECT count(*)::int FROM extractor_pub.superseded s JOIN extractor_pub.records r
			ON r.key_hash = s.successor_key_hash AND r.seq = s.successor_seq AND r.idx = s.successor_idx
			WHERE s.key IN ('k5', 'k4') AND r.seq = 1 AND s.version < r.version`
		if n := b.count(wrong); n != 2 {
			t.Errorf("%d of 2 superseded records name the newest version", n)
		}
		if n := b.count("SELECT count(*)::int FROM extractor.records WHERE chunk IS NULL AND columns = '' AND version IS NOT NULL"); n != 2 {
			t.Errorf("%d superseded records stand among the records", n)
		}
		if all, carry := b.count("SELECT count(*)::int FROM extractor_pub.chunks"), b.count("SELECT count(*)::int FROM extractor_pub.chunks WHERE versioned"); all != 2 || carry != 2 {
			t.Errorf("%d of %d chunks are said to carry versions, want both", carry, all)
		}
	})

	t.Run("versions of a batch that is read at once merge in their order, however they are published", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, versioned))
		b.frame("run", change("a", 3, `"last":"three"`), change("a", 1, `"last":"one","email":"one@example.com"`), change("a", 2, `"email":null`),
			change("a", 3, `"last":"other"`))
		b.settle(b.reader("one"))
		b.wantFull(full{Accepted: 4, Rows: 3, Dead: 1})
		if diff := cmp.Diff([]string{"a,three,#N/A"}, b.rows()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{record.CodeVersionConflict}, b.codes()); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("of the same version the same content is superseded, other content is a conflict and its repeats are known", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, versioned))
		r := b.reader("one")
		b.single("k1", change("a", 1, `"last":"A"`))
		b.settle(r)
		b.single("k2", change("a", 1, `"last":"A"`))
		b.single("k3", change("a", 1, `"last":"B"`))
		b.settle(r)
		b.single("k3", change("a", 1, `"last":"B"`))
		b.single("k2", change("a", 1, `"last":"A"`))
		b.settle(r)
		b.wantFull(full{Accepted: 3, Rows: 1, Dead: 1, Superseded: 1, Repeats: 2})
	})

	t.Run("without a key of its own a record is a repeat of its entity's newest version only", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, versioned))
		r := b.reader("one")
		two, one := change("a", 2, `"last":"two"`), change("a", 1, `"last":"one","email":"e@example.com"`)
		b.single("", two)
		b.single("", one)
		b.settle(r)
		b.single("", two) // the newest again
		b.single("", one) // the same version and content again
		b.settle(r)
		b.wantFull(full{Accepted: 3, Rows: 2, Superseded: 1, Repeats: 1})
		bad := `{"id":"a","last":"no version"}`
		b.single("", bad)
		b.single("", bad)
		b.settle(r)
		b.single("", bad)
		b.settle(r)
		b.wantFull(full{Accepted: 4, Rows: 2, Dead: 1, Superseded: 1, Repeats: 3})
	})

	t.Run("a newer version that is dead covers nothing, unless its try may have reached the org or it is sent again", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, versioned))
		r := b.reader("one")
		b.single("new", change("a", 9, `"last":"nine"`))
		b.settle(r)
		b.exec(`INSERT INTO reconciler.failures (chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx,
			columns, accepted_at, attempt, outcome, class, code, message, fields, sf_id, disposition, letter_id, header, cells, payload, attempts)
			SELECT chunk, 0, 0, 'contacts', 1, 0, '', 'new', key_hash, 0, 'a', entity_hash, 1, 0, columns, now(), 1, 'failed', 'data', 'X', '', '{}', '', 'dead',
				gen_random_uuid(), '{}', '{}', '', '[]' FROM extractor.records`)
		b.single("k1", change("a", 1, `"last":"one"`))
		b.settle(r)
		b.wantFull(full{Accepted: 2, Rows: 2})
		b.exec(`INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, fingerprint, dead_at, state, taker)
			SELECT letter_id, pipeline, 1, '', key, key_hash, 0, '', 'data', 'X', '', '{}', 'reconcile', '', now(), 'replaying', 'retrier' FROM reconciler.failures`)
		b.single("k2", change("a", 2, `"last":"two"`))
		b.settle(r)
		b.wantFull(full{Accepted: 3, Rows: 2, Superseded: 1})
		b.exec("UPDATE ops.letters SET state = 'discarded'")
		b.single("k3", change("a", 3, `"last":"three"`))
		b.settle(r)
		b.wantFull(full{Accepted: 4, Rows: 3, Superseded: 1})
		b.landed()
		b.single("k4", change("a", 4, `"last":"four"`))
		b.settle(r)
		b.wantFull(full{Accepted: 5, Rows: 3, Superseded: 2})
	})

	t.Run("a version that a record had before it was mapped again covers nothing", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, versioned))
		r := b.reader("one")
		b.single("new", change("a", 9, `"last":"nine"`))
		b.settle(r)
		b.exec(`INSERT INTO extractor.records (pipeline_id, generation, idx, row, seq, accepted_at, key_hash, entity_hash, content_hash, chunk, columns, version)
			SELECT pipeline_id, 1, idx, 0, seq, accepted_at, key_hash, entity_hash, content_hash, gen_random_uuid(), columns, NULL FROM extractor.records`)
		b.single("k5", change("a", 5, `"last":"five"`))
		b.single("k9", change("a", 9, `"last":"other nine"`))
		b.settle(r)
		b.wantFull(full{Accepted: 3, Rows: 3}) // with the one that was mapped again
	})

	t.Run("letters that are mapped again merge by version", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, versioned))
		b.single("k2", change("a", 2, `"last":"two","phone":"2"`))
		b.single("k1", change("a", 1, `"last":"one","phone":"1","email":"one@example.com"`))
		b.settle(b.reader("one"))
		b.apply(2, definition(mapWithPhone, defaultChunk, versioned))
		order(b)
		_, err := (&Replayer{Deps: b.deps("replayer")}).Pass(t.Context())
		b.must(err)
		if diff := cmp.Diff([]string{"a,two,one@example.com,2"}, b.rows()); diff != "" {
			t.Error(diff)
		}
		records := b.chunks()[0].Manifest.GetRows()[0].GetRecords()
		if len(records) != 2 || records[0].GetKey() != "k1" || string(records[0].GetVersion()) >= string(records[1].GetVersion()) {
			t.Errorf("records %v", records)
		}
	})

	t.Run("whole records are covered by any newer version, whatever it cleared", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, versioned, "records: whole"))
		b.single("k2", change("a", 2, `"last":"two"`))
		b.single("k1", change("a", 1, `"last":"one","email":"one@example.com"`))
		b.settle(b.reader("one"))
		b.wantFull(full{Accepted: 2, Rows: 1, Superseded: 1})
		if diff := cmp.Diff([]string{"a,two,#N/A"}, b.rows()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestGenerations(t *testing.T) {
	t.Parallel()
	t.Run("what a person discarded and upstream publishes again opens the next generation, once", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		r := b.reader("one")
		b.single("k1", `{"id":"a","phone":"1"}`)
		b.settle(r)
		b.single("k1", `{"id":"a","phone":"1"}`)
		b.settle(r)
		b.wantFull(full{Accepted: 1, Dead: 1, Repeats: 1})
		b.discard()
		b.single("k1", `{"id":"a","phone":"1"}`)
		b.single("k1", `{"id":"a","phone":"1"}`)
		b.settle(r)
		b.wantFull(full{Accepted: 2, Dead: 2, Repeats: 2})
		if n := b.count("SELECT count(*)::int FROM extractor_pub.dead WHERE generation = 1 AND accepted AND letter_id <> (SELECT letter_id FROM ops.letters)"); n != 1 {
			t.Errorf("%d letters of the next generation", n)
		}
		b.apply(2, definition(mapWithPhone, defaultChunk))
		b.single("x", contact("x", "X"))
		b.settle(r)
		b.discard()
		b.single("k1", `{"id":"a","phone":"1"}`)
		b.settle(r)
		b.single("k1", `{"id":"a","phone":"1"}`)
		b.single("k1", `{"id":"a","phone":"other"}`)
		b.settle(r)
		b.wantFull(full{Accepted: 5, Rows: 2, Dead: 3, Repeats: 3})
		chunks := b.chunks()
		if e := chunks[len(chunks)-1].Manifest.GetRows()[0].GetRecords()[0]; e.GetGeneration() != 2 || len(e.GetLetterId()) != 0 {
			t.Errorf("entry %v, want the third generation, which replays no letter", e)
		}
	})

	t.Run("without a key of its own it is a new event", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		r := b.reader("one")
		bad := `{"id":"a","phone":"1"}`
		b.single("", bad)
		b.settle(r)
		b.discard()
		b.single("", bad)
		b.single("", bad)
		b.settle(r)
		b.wantFull(full{Accepted: 2, Dead: 2, Repeats: 1})
		if n := b.count("SELECT count(DISTINCT key)::int FROM extractor_pub.dead WHERE generation = 0"); n != 2 {
			t.Errorf("%d keys, want a fresh one", n)
		}
	})

	t.Run("a key used for other content is refused anew once its letter was discarded", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk))
		r := b.reader("one")
		b.single("k1", contact("a", "A"))
		b.single("k1", contact("a", "B"))
		b.settle(r)
		b.discard()
		b.single("k1", contact("a", "B"))
		b.single("k1", contact("a", "B"))
		b.settle(r)
		b.wantFull(full{Accepted: 3, Rows: 1, Dead: 2, Repeats: 1})
	})
}

// A change of the definition in mid-flight seals what is open under the old one, whatever it changes.
func TestChangesOfEveryKind(t *testing.T) {
	t.Parallel()
	plain := definition(defaultMap, defaultChunk, "lanes: 2", keyed)
	for _, c := range []struct {
		name, to string
		body     string // of a record under the new revision
		drains   bool   // it waits until what was sealed has an outcome: the same rows of the org have other lanes now
	}{
		{"the operation", strings.Replace(plain, "operation: upsert", "operation: update", 1), `{"event":"new","id":"e1","last":"new"}`, false},
		{"the object", strings.Replace(plain, "object: Contact", "object: Account", 1), `{"event":"new","id":"e1","last":"new"}`, false},
		{"the org", strings.Replace(plain, "org: main", "org: second", 1), `{"event":"new","id":"e1","last":"new"}`, false},
		{
			"the key field", strings.ReplaceAll(strings.Replace(plain, "to: External_Id__c", "to: Other_Id__c", 1), "externalId: External_Id__c", "externalId: Other_Id__c"),
			`{"event":"new","id":"e1","last":"new"}`, true,
		},
		{"the version", plain + "version: v\n", `{"event":"new","id":"e1","last":"new","v":1}`, false},
		{"the records", plain + "records: whole\n", `{"event":"new","id":"e1","last":"new"}`, false},
		{"the columns", definition(mapWithPhone, defaultChunk, "lanes: 2", keyed), `{"event":"new","id":"e1","phone":"1"}`, false},
		{"rows into inserts", strings.Replace(strings.Replace(plain, "operation: upsert", "operation: insert", 1), "externalId:", "correlation:", 1), `{"event":"new","id":"e1","last":"new"}`, false},
	} {
		t.Run("a change of "+c.name+" seals what is open first, and each record is judged under one revision", func(t *testing.T) {
			t.Parallel()
			b := newBench(t, plain)
			r := b.reader("one")
			var old []string
			for i := range 20 {
				old = append(old, fmt.Sprintf(`{"event":"old%d","id":"e%d","last":"old"}`, i, i))
			}
			b.frame("", old...)
			for b.unsealed(r) < 20 {
				_, err := r.Pass(t.Context())
				b.must(err)
			}
			b.apply(2, c.to)
			b.frame("", c.body, old[0])
			if c.drains {
				for range 5 {
					b.advance(11 * time.Second)
					_, err := r.Pass(t.Context())
					b.must(err)
				}
				if n := b.count("SELECT revision FROM extractor.readers"); n != 1 || b.unsealed(r) != 0 {
					t.Errorf("revision %d is in force while rows are on their way by the field of before, %d records are unsealed", n, b.unsealed(r))
				}
				b.landed()
			}
			b.settle(r)
			if f := b.full(); f.Accepted != 21 || f.Rows+f.Dead+f.Superseded != 21 || f.Repeats != 1 {
				t.Fatalf("counts %+v", f)
			}
			if n := b.count(`SELECT count(*)::int FROM extractor.records r JOIN extractor.chunks c USING (chunk) WHERE (c.revision = 1) <> (r.seq = 1)`); n != 0 {
				t.Errorf("%d records were sealed under the wrong revision", n)
			}
			sealed := b.sealedAs()
			if len(sealed) < 2 {
				t.Fatalf("%d chunks, want those of the old revision and of the new one", len(sealed))
			}
			if diff := cmp.Diff(sealedAs{"upsert", "External_Id__c", "main/Contact/External_Id__c", []string{"External_Id__c", "LastName", "Email"}}, sealed[0]); diff != "" {
				t.Error(diff)
			}
			def := mapperOf(t, c.to).def
			if diff := cmp.Diff(sealedAs{def.Operation, def.KeyField(), def.Space(), def.Header()}, sealed[len(sealed)-1]); diff != "" {
				t.Error(diff)
			}
		})
	}

	t.Run("lanes of a space that an older revision numbered otherwise wait until it is quiet, also with another space in between", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 2"))
		r := b.reader("one")
		b.frame("", contacts(10, "n")...)
		b.settle(r)
		b.apply(2, strings.Replace(definition(defaultMap, defaultChunk, "lanes: 3"), "object: Contact", "object: Account", 1))
		b.single("", contact("x", "X"))
		b.settle(r)
		b.apply(3, definition(defaultMap, defaultChunk, "lanes: 3"))
		for range 10 {
			_, err := r.Pass(t.Context())
			b.must(err)
			b.advance(11 * time.Second)
		}
		if n := b.count("SELECT revision FROM extractor.readers"); n != 2 {
			t.Fatalf("revision %d is in force while chunks of its space are open in other lanes", n)
		}
		b.landed()
		b.single("", contact("y", "Y"))
		b.settle(r)
		if n := b.count("SELECT revision FROM extractor.readers"); n != 3 {
			t.Errorf("revision %d is in force, want 3", n)
		}
	})

	t.Run("a field that the org compares exactly from now on has other lanes only once the old ones are quiet", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, definition(defaultMap, defaultChunk, "lanes: 2"))
		r := b.reader("one")
		b.frame("", contacts(10, "n")...)
		b.settle(r)
		b.apply(2, definition(defaultMap, defaultChunk, "lanes: 2"))
		b.exec("UPDATE ops.definitions SET case_sensitive = true WHERE revision = 2")
		b.catalog.Invalidate()
		for range 10 {
			_, err := r.Pass(t.Context())
			b.must(err)
		}
		if n := b.count("SELECT revision FROM extractor.readers"); n != 1 {
			t.Fatalf("revision %d is in force while chunks of the same rows are open in other lanes", n)
		}
		b.landed()
		b.frame("", contact("N-1", "upper"), contact("n-1", "lower"))
		b.settle(r)
		rows := b.rows()
		if !slices.Contains(rows, "N-1,upper,") || !slices.Contains(rows, "n-1,lower,") {
			t.Errorf("rows %v, want both", rows)
		}
	})
}
