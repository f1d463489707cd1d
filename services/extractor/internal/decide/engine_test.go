package decide

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

const testPipeline = "contacts"

var testHeader = []string{"Id__c", "A", "B", "C"}

// published is one record of a made-up stream.
type published struct {
	key     string // "" = none
	entity  string // "" = cannot be read
	fields  [3]string
	refused bool // it does not map
	unknown bool // its key cannot be read
	run     string
}

func (p published) content() record.Hash {
	return record.HashContent(fmt.Append(nil, p.entity, "|", strings.Join(p.fields[:], "|"), p.refused))
}

func (p published) candidate(place record.Place, last bool, lanes int) Candidate {
	c := Candidate{Place: place, Last: last, Content: p.content(), Run: p.run, Lane: record.LaneNone, Payload: []byte("payload of " + place.String())}
	if p.entity != "" && !p.unknown {
		c.Entity, c.HasEntity = p.entity, true
		c.EntityHash = record.HashEntity("main/Contact/Id__c", p.entity)
		c.Lane = record.LaneOf(c.EntityHash, lanes)
	}
	switch {
	case p.unknown:
		c.KeyKind, c.Key = KeyUnknown, record.PlaceKey(place)
	case p.key != "":
		c.KeyKind, c.Key = KeyNamed, p.key
	default:
		c.KeyKind, c.Key = KeyFromBody, record.BodyKey(c.Content, place)
	}
	c.KeyHash = record.HashKey(testPipeline, c.Key)
	if p.refused || p.unknown || p.entity == "" {
		c.Refusal = &record.Refusal{Code: record.CodeWrongType, Message: "refused by the test"}
		return c
	}
	c.Cells = make([]string, len(testHeader))
	c.Cells[0], c.Named = p.entity, []int{0}
	for i, f := range p.fields {
		if f != "" {
			c.Cells[i+1] = f
			c.Named = append(c.Named, i+1)
		}
	}
	for _, n := range c.Named {
		c.Columns.Set(n)
	}
	return c
}

// what an oracle that never crashes, and knows everything at once, says of each record.
type said struct {
	Verdict string
	Key     string
}

func oracle(stream [][]published) map[record.Place]said {
	out := map[record.Place]said{}
	keys := map[string]record.Hash{}
	newest := map[string]record.Hash{}
	for f, frame := range stream {
		for i, p := range frame {
			place := record.Place{Seq: uint64(f + 1), Idx: uint32(i)}
			content := p.content()
			verdict, key := "row", p.key
			switch {
			case p.unknown:
				out[place] = said{"dead", record.PlaceKey(place)}
				continue
			case p.key == "":
				key = record.BodyKey(content, place)
				if had, ok := newest[p.entity]; ok && p.entity != "" && had == content {
					verdict = "repeat"
				}
			default:
				if had, ok := keys[key]; ok {
					verdict = "repeat"
					if had != content {
						key = record.ReusedKey(p.key, content)
						verdict = "dead"
						if _, ok := keys[key]; ok {
							verdict = "repeat"
						}
					}
				}
			}
			if verdict == "row" && (p.refused || p.entity == "") {
				verdict = "dead"
			}
			if verdict != "repeat" {
				keys[key] = content
				newest[p.entity] = content
			}
			out[place] = said{verdict, key}
		}
	}
	return out
}

// ledger is what is stored.
type ledger struct {
	marks   map[int]record.Place
	byKey   map[record.Hash]Known
	newest  map[record.Hash]Known
	rowed   map[record.Hash]bool // entities that have a record in a row
	said    map[record.Place]said
	repeats int64
	chunks  []Chunk
	rows    map[[16]byte][][]string
}

func newLedger() *ledger {
	return &ledger{
		marks: map[int]record.Place{}, byKey: map[record.Hash]Known{}, newest: map[record.Hash]Known{}, rowed: map[record.Hash]bool{},
		said: map[record.Place]said{}, rows: map[[16]byte][][]string{},
	}
}

// store applies a commit as the transaction would, and checks what only the ledger can see.
func (l *ledger) store(t *rapid.T, c Commit) {
	for _, m := range c.Marks {
		if l.marks[m.Lane] != m.From {
			t.Fatalf("lane %d moves from %v, the ledger stands at %v", m.Lane, m.From, l.marks[m.Lane])
		}
		if !m.From.Less(m.To) {
			t.Fatalf("mark of lane %d goes from %v to %v", m.Lane, m.From, m.To)
		}
		l.marks[m.Lane] = m.To
	}
	decided := func(p record.Place, s said) {
		if had, ok := l.said[p]; ok {
			t.Fatalf("%v is decided twice: %v, then %v", p, had, s)
		}
		l.said[p] = s
	}
	for _, ch := range c.Chunks {
		l.chunks = append(l.chunks, ch)
		m, err := rowfile.DecodeManifest(ch.Manifest)
		if err != nil {
			t.Fatalf("manifest: %v", err)
		}
		records := 0
		for _, r := range m.GetRows() {
			for _, e := range r.GetRecords() {
				decided(record.Place{Seq: e.GetSeq(), Idx: e.GetIdx()}, said{"row", e.GetKey()})
				records++
			}
		}
		sum := 0
		for _, n := range ch.Runs {
			sum += n.Records
			if n.Accepted != n.Records {
				t.Fatalf("a fresh chunk accepts %d of %d records", n.Accepted, n.Records)
			}
		}
		if records != ch.Records || sum != ch.Records || len(m.GetRows()) != ch.Rows {
			t.Fatalf("chunk says %d records in %d rows, its manifest has %d in %d, its runs %d", ch.Records, ch.Rows, records, len(m.GetRows()), sum)
		}
		var data [][]byte
		for _, p := range ch.Pieces {
			data = append(data, p.Data)
		}
		rr := rowfile.Rows(testHeader, rowfile.Pieces(data...))
		seen := map[string]bool{}
		for {
			cells, err := rr.Next()
			if err != nil {
				break
			}
			if seen[cells[0]] {
				t.Fatalf("entity %q stands in two rows of one chunk", cells[0])
			}
			seen[cells[0]] = true
			l.rows[ch.ID] = append(l.rows[ch.ID], slices.Clone(cells))
		}
		if len(l.rows[ch.ID]) != ch.Rows {
			t.Fatalf("pieces hold %d rows of %d", len(l.rows[ch.ID]), ch.Rows)
		}
	}
	for _, d := range c.Dead {
		decided(d.Place, said{"dead", d.Key})
	}
	for _, n := range c.Repeats {
		l.repeats += n
	}
	for one := range c.Records.All() {
		r := &one
		k := Known{Content: r.Content, Place: r.Place}
		if r.HasEntity && !r.Ended() {
			if l.rowed[r.EntityHash] && c.Follower < r.Place.Seq {
				t.Fatalf("%v follows another record of its entity, and the commit says that none behind %d does", r.Place, c.Follower)
			}
			l.rowed[r.EntityHash] = true
		}
		if _, ok := l.byKey[r.KeyHash]; ok {
			t.Fatalf("key of %v is in the ledger already", r.Place)
		}
		l.byKey[r.KeyHash] = k
		if had, ok := l.newest[r.EntityHash]; r.HasEntity && (!ok || had.Place.Less(r.Place)) {
			l.newest[r.EntityHash] = k
		}
	}
}

func (l *ledger) answer(e *Engine, batch []Candidate) Answers {
	w := e.Wants(batch, News{})
	a := Answers{Keys: map[record.Hash]Known{}, Newest: map[record.Hash]Known{}}
	look := func(hashes []record.Hash, from, into map[record.Hash]Known) {
		for _, h := range hashes {
			if k, ok := from[h]; ok {
				into[h] = k
			}
		}
	}
	look(w.Keys, l.byKey, a.Keys)
	look(w.Newest, l.newest, a.Newest)
	look(e.WantsReused(batch, a), l.byKey, a.Keys)
	return a
}

func drawStream(t *rapid.T) [][]published {
	one := rapid.Custom(func(t *rapid.T) published {
		p := published{
			entity: rapid.SampledFrom([]string{"e1", "e2", "e3", "e4", "e5", ""}).Draw(t, "entity"),
			run:    rapid.SampledFrom([]string{"", "r1"}).Draw(t, "run"),
		}
		if rapid.Bool().Draw(t, "keyed") {
			p.key = rapid.SampledFrom([]string{"k1", "k2", "k3", "k4", "k5", "k6"}).Draw(t, "key")
		}
		for i := range p.fields {
			p.fields[i] = rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "field")
		}
		switch rapid.IntRange(0, 9).Draw(t, "fate") {
		case 0:
			p.refused = true
		case 1:
			p.unknown = true
		}
		return p
	})
	return rapid.SliceOfN(rapid.SliceOfN(one, 1, 6), 1, 25).Draw(t, "stream")
}

// Whatever mix of records, repeats and lanes is published, and wherever readings are cut off and begun again, each record is decided
// exactly once, as by somebody who saw the stream in one go.
func TestEveryRecordIsDecidedOnceAsAnUndisturbedReaderWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := drawStream(t)
		lanes := rapid.IntRange(1, 3).Draw(t, "lanes")
		config := Config{
			Pipeline: testPipeline, Header: testHeader, Lanes: lanes,
			Limits: Limits{
				Rows: rapid.IntRange(1, 5).Draw(t, "rows"), Bytes: int64(rapid.IntRange(30, 200).Draw(t, "bytes")),
				Age: time.Duration(rapid.IntRange(1, 10).Draw(t, "age")) * time.Second,
			},
		}
		l := newLedger()
		now := time.Unix(1_800_000_000, 0).UTC()
		ids := uint64(0)
		newID := func() (id [16]byte) {
			ids++
			binary.BigEndian.PutUint64(id[8:], ids)
			return id
		}
		crashes := rapid.IntRange(0, 6).Draw(t, "crashes")
		end := record.Place{Seq: uint64(len(stream)), Idx: EndOfFrame}

	again:
		e := New(config, maps.Clone(l.marks))
		commit := func(seal []int) bool {
			c, err := e.Cut(seal, now, newID)
			if err != nil {
				t.Fatal(err)
			}
			if crashes > 0 && rapid.IntRange(0, 5).Draw(t, "crash before the commit") == 0 {
				crashes--
				return false
			}
			l.store(t, c)
			if crashes > 0 && rapid.IntRange(0, 5).Draw(t, "crash after the commit") == 0 {
				crashes--
				return false
			}
			e.Settle(c, now)
			if diff := cmp.Diff(l.marks, marksThatMoved(e)); diff != "" {
				t.Fatalf("marks of ledger and engine differ:\n%s", diff)
			}
			return true
		}
		from := e.Lowest().Seq
		if e.Lowest().Idx == EndOfFrame {
			from++
		}
		for at := int(max(from, 1)) - 1; at < len(stream); {
			size := rapid.IntRange(1, 4).Draw(t, "frames in a batch")
			var batch []Candidate
			for range size {
				if at == len(stream) {
					break
				}
				for i, p := range stream[at] {
					batch = append(batch, p.candidate(record.Place{Seq: uint64(at + 1), Idx: uint32(i)}, i == len(stream[at])-1, lanes))
				}
				at++
			}
			e.Learn(l.answer(e, batch))
			for len(batch) > 0 {
				now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
				if e.Feed(&batch[0], now) != Full {
					batch = batch[1:]
				}
				if d := e.Due(now); d.Any() {
					if !commit(d.Seal) {
						goto again
					}
				}
			}
		}
		now = now.Add(config.Limits.Age)
		for d := e.Due(now); d.Any(); d = e.Due(now) {
			if !commit(d.Seal) {
				goto again
			}
		}

		if e.Lowest() != end || e.Unsealed() != 0 {
			t.Fatalf("everything is old and marks stand at %v, %d unsealed", e.Marks(), e.Unsealed())
		}
		want := oracle(stream)
		repeats := int64(0)
		for p, s := range want {
			if s.Verdict == "repeat" {
				delete(want, p)
				repeats++
			}
		}
		if diff := cmp.Diff(want, l.said); diff != "" {
			t.Fatalf("verdicts differ from the oracle's (-want +got):\n%s", diff)
		}
		if repeats != l.repeats {
			t.Fatalf("%d repeats counted, %d published", l.repeats, repeats)
		}
		checkRows(t, stream, l, config.Limits)
	})
}

// marksThatMoved leaves out lanes that nothing moved yet: the ledger of the test has no row for them.
func marksThatMoved(e *Engine) map[int]record.Place {
	out := e.Marks()
	maps.DeleteFunc(out, func(_ int, p record.Place) bool { return p == record.Place{} })
	return out
}

// checkRows replays the chunks: within a chunk newest wins field by field, and chunks of a lane are in the stream's order.
func checkRows(t *rapid.T, stream [][]published, l *ledger, limits Limits) {
	org := map[string][]string{}
	lastOfLane := map[int]record.Place{}
	for _, ch := range l.chunks {
		if ch.Rows > limits.Rows {
			t.Fatalf("chunk of %d rows, at most %d", ch.Rows, limits.Rows)
		}
		if ch.Bytes > limits.Bytes && ch.Rows > 1 {
			t.Fatalf("chunk of %d bytes, at most %d", ch.Bytes, limits.Bytes)
		}
		m, _ := rowfile.DecodeManifest(ch.Manifest)
		last := lastOfLane[ch.Lane]
		for i, r := range m.GetRows() {
			want := make([]string, len(testHeader))
			for _, entry := range r.GetRecords() {
				place := record.Place{Seq: entry.GetSeq(), Idx: entry.GetIdx()}
				if !lastOfLane[ch.Lane].Less(place) {
					t.Fatalf("chunk of lane %d holds %v, an earlier one went up to %v", ch.Lane, place, lastOfLane[ch.Lane])
				}
				if last.Less(place) {
					last = place
				}
				p := stream[place.Seq-1][place.Idx]
				want[0] = p.entity
				for n, f := range p.fields {
					if f != "" {
						want[n+1] = f
					}
				}
			}
			if diff := cmp.Diff(want, l.rows[ch.ID][i]); diff != "" {
				t.Fatalf("row %d does not merge its records:\n%s", i, diff)
			}
			row := org[want[0]]
			if row == nil {
				row = make([]string, len(testHeader))
			}
			for n, v := range l.rows[ch.ID][i] {
				if v != "" {
					row[n] = v
				}
			}
			org[want[0]] = row
		}
		lastOfLane[ch.Lane] = last
	}
	// Loading the chunks in their order leaves what the stream says.
	want := map[string][]string{}
	for place, s := range l.said {
		_ = place
		if s.Verdict == "row" {
			want[stream[place.Seq-1][place.Idx].entity] = make([]string, len(testHeader))
		}
	}
	for f, frame := range stream {
		for i, p := range frame {
			if l.said[record.Place{Seq: uint64(f + 1), Idx: uint32(i)}].Verdict != "row" {
				continue
			}
			want[p.entity][0] = p.entity
			for n, v := range p.fields {
				if v != "" {
					want[p.entity][n+1] = v
				}
			}
		}
	}
	if diff := cmp.Diff(want, org); diff != "" {
		t.Fatalf("what the chunks leave differs from what the stream says:\n%s", diff)
	}
}
