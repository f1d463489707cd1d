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

// change is one record of a made-up stream whose records carry versions.
type change struct {
	key     string // "" = none
	entity  string
	version byte
	fields  [3]string
	whole   bool
	refused bool
}

func (c change) content() record.Hash {
	return record.HashContent(fmt.Append(nil, c.entity, "|", c.version, "|", strings.Join(c.fields[:], "|"), c.refused))
}

func (c change) candidate(place record.Place, last bool, lanes int) Candidate {
	out := published{key: c.key, entity: c.entity, fields: c.fields, refused: c.refused}.candidate(place, last, lanes)
	out.Content = c.content()
	if c.key == "" {
		out.Key = record.BodyKey(out.Content, place)
		out.KeyHash = record.HashKey(testPipeline, out.Key)
	}
	if c.refused {
		return out
	}
	out.Version = record.Version{c.version}
	if c.whole {
		out.Named, out.Columns = nil, nil
		for i := range testHeader {
			out.Named = append(out.Named, i)
			out.Columns.Set(i)
			if out.Cells[i] == "" {
				out.Cells[i] = "#N/A"
			}
		}
	}
	return out
}

// books is a ledger with versions, and the org that its chunks were loaded into in the order of their sealing.
type books struct {
	*ledger
	t       *rapid.T
	stream  [][]change
	records []Record
	letters map[record.Hash]Dead // of named keys, the last
	org     map[string][4]string
	rowed   map[record.Place]bool
	over    map[record.Place]bool // superseded
	dead    map[record.Place]string
}

func newBooks(t *rapid.T, stream [][]change) *books {
	return &books{
		ledger: newLedger(), t: t, stream: stream, letters: map[record.Hash]Dead{}, org: map[string][4]string{},
		rowed: map[record.Place]bool{}, over: map[record.Place]bool{}, dead: map[record.Place]string{},
	}
}

func (b *books) at(p record.Place) change { return b.stream[p.Seq-1][p.Idx] }

func (b *books) store(c Commit) {
	for _, m := range c.Marks {
		b.marks[m.Lane] = m.To
	}
	once := func(p record.Place) {
		if _, dead := b.dead[p]; dead || b.rowed[p] || b.over[p] {
			b.t.Fatalf("%v is decided twice", p)
		}
	}
	for _, d := range c.Dead {
		once(d.Place)
		b.dead[d.Place] = d.Code
		b.letters[d.KeyHash] = d
		if d.LetterID != record.LetterID(testPipeline, d.Key, d.Generation) || !d.Accepted() {
			b.t.Fatalf("letter of %v: %+v", d.Place, d)
		}
	}
	for _, s := range c.Superseded {
		once(s.Place)
		b.over[s.Place] = true
		if s.Successor.olderThan(Owner{Version: s.Version}) {
			b.t.Fatalf("%v is superseded by an older record %v", s.Place, s.Successor)
		}
	}
	for _, n := range c.Repeats {
		b.repeats += n
	}
	for r := range c.Records.All() {
		if r.HasEntity && !r.Ended() {
			if c.Follower < r.Place.Seq && slices.ContainsFunc(b.records, func(o Record) bool { return !o.Ended() && o.HasEntity && o.EntityHash == r.EntityHash }) {
				b.t.Fatalf("%v follows another record of its entity, and the commit says that none behind %d does", r.Place, c.Follower)
			}
		}
		b.records = append(b.records, r)
		had, ok := b.byKey[r.KeyHash]
		if ok && (!had.GivenUp || int(had.Generation)+1 != r.Generation) || !ok && r.Generation != 0 {
			b.t.Fatalf("generation %d of the key of %v follows %+v", r.Generation, r.Place, had)
		}
		if !ok {
			had = Known{Content: r.Content, Place: r.Place}
		}
		had.Generation, had.GivenUp = int32(r.Generation), false
		b.byKey[r.KeyHash] = had
	}
	for _, ch := range c.Chunks {
		b.load(ch, once)
	}
}

// load applies a chunk to the org and checks what it says of its records.
func (b *books) load(ch Chunk, once func(record.Place)) {
	m, err := rowfile.DecodeManifest(ch.Manifest)
	if err != nil {
		b.t.Fatal(err)
	}
	var data [][]byte
	for _, p := range ch.Pieces {
		data = append(data, p.Data)
	}
	rows := rowfile.Rows(testHeader, rowfile.Pieces(data...))
	for i, r := range m.GetRows() {
		cells, err := rows.Next()
		if err != nil {
			b.t.Fatalf("row %d: %v", i, err)
		}
		var last Owner
		var said [4]string
		for n, e := range r.GetRecords() {
			place := record.Place{Seq: e.GetSeq(), Idx: e.GetIdx()}
			once(place)
			b.rowed[place] = true
			own := Owner{Version: e.GetVersion(), Place: place}
			if n > 0 && !last.olderThan(own) {
				b.t.Fatalf("row %d: %v stands behind %v", i, own, last)
			}
			last = own
			change := b.at(place)
			cell := append([]string{change.entity}, change.fields[:]...)
			for _, ordinal := range record.Bitmap(e.GetColumns()).Ordinals() {
				said[ordinal] = cell[ordinal]
				if change.whole && said[ordinal] == "" {
					said[ordinal] = "#N/A"
				}
			}
		}
		if diff := cmp.Diff(said[:], slices.Clone(cells)); diff != "" {
			b.t.Fatalf("the last record naming a column is not what the row says (-records +row):\n%s", diff)
		}
		row := b.org[said[0]]
		for n, v := range said {
			if v != "" {
				row[n] = v
			}
		}
		b.org[said[0]] = row
	}
}

func (b *books) answer(e *Engine, batch []Candidate) Answers {
	w := e.Wants(batch, News{})
	a := Answers{
		Keys: map[record.Hash]Known{}, NewestVersions: map[record.Hash]Dated{}, Newest: map[record.Hash]Known{},
		Newer: map[record.Hash][]Named{}, Equal: map[EntityVersion][]Same{},
	}
	known := func(keys []record.Hash) {
		for _, k := range keys {
			if v, ok := b.byKey[k]; ok {
				a.Keys[k] = v
			}
		}
	}
	known(w.Keys)
	for _, r := range b.records {
		k := Known{Content: r.Content, Place: r.Place, GivenUp: b.byKey[r.KeyHash].GivenUp}
		if slices.Contains(w.Newest, r.EntityHash) && a.Newest[r.EntityHash].Place.Less(r.Place) {
			a.Newest[r.EntityHash] = k
		}
		dated := Dated{Known: k, Version: r.Version}
		if had, ok := a.NewestVersions[r.EntityHash]; slices.Contains(w.NewestVersions, r.EntityHash) && r.Version != nil && (!ok || had.owner().olderThan(dated.owner())) {
			a.NewestVersions[r.EntityHash] = dated
		}
		own := Owner{Version: r.Version, KeyHash: r.KeyHash, Place: r.Place}
		for _, v := range w.Newer {
			if r.Ended() || v.Entity != r.EntityHash || string(r.Version) < v.Version {
				continue
			}
			list := a.Newer[v.Entity]
			i := slices.IndexFunc(list, func(n Named) bool { return string(n.Columns) == string(r.Columns) })
			switch {
			case i < 0:
				a.Newer[v.Entity] = append(list, Named{Owner: own, Columns: r.Columns})
			case list[i].olderThan(own):
				list[i].Owner = own
			}
		}
	}
	for _, v := range e.WantsEqual(batch, a) {
		for _, r := range b.records {
			if !r.Ended() && r.EntityHash == v.Entity && string(r.Version) == v.Version {
				a.Equal[v] = append(a.Equal[v], Same{Owner: Owner{Version: r.Version, KeyHash: r.KeyHash, Place: r.Place}, Content: r.Content})
			}
		}
	}
	known(e.WantsReused(batch, a))
	return a
}

// Whatever versions arrive in whatever order, published again, given up and loaded again: what lands is the newest value of each field by version,
// and each record is counted once.
func TestVersionsNeverRunBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Bool().Draw(t, "whole")
		one := rapid.Custom(func(t *rapid.T) change {
			c := change{
				entity: rapid.SampledFrom([]string{"e1", "e2", "e3"}).Draw(t, "entity"), version: byte(rapid.IntRange(1, 7).Draw(t, "version")), whole: whole,
				refused: rapid.IntRange(0, 7).Draw(t, "fate") == 0,
			}
			if rapid.Bool().Draw(t, "keyed") {
				c.key = fmt.Sprintf("k%d", rapid.IntRange(1, 9).Draw(t, "key"))
			}
			for i := range c.fields {
				c.fields[i] = rapid.SampledFrom([]string{"", "x", "y", "#N/A"}).Draw(t, "field")
			}
			return c
		})
		stream := rapid.SliceOfN(rapid.SliceOfN(one, 1, 5), 1, 25).Draw(t, "stream")
		lanes := rapid.IntRange(1, 2).Draw(t, "lanes")
		config := Config{
			Pipeline: testPipeline, Header: testHeader, Lanes: lanes, Versioned: true, Whole: whole, Ordinals: []int{0, 1, 2, 3},
			Limits: Limits{Rows: rapid.IntRange(1, 4).Draw(t, "rows"), Bytes: 1 << 10, Age: 5 * time.Second},
		}
		b := newBooks(t, stream)
		now := time.Unix(1_800_000_000, 0).UTC()
		ids := uint64(0)
		newID := func() (id [16]byte) {
			ids++
			binary.BigEndian.PutUint64(id[8:], ids)
			return id
		}
		crashes := rapid.IntRange(0, 4).Draw(t, "crashes")

	again:
		e := New(config, maps.Clone(b.marks))
		commit := func(seal []int) bool {
			if crashes > 0 && rapid.IntRange(0, 4).Draw(t, "crash") == 0 {
				crashes--
				return false
			}
			c, err := e.Cut(seal, now, newID)
			if err != nil {
				t.Fatal(err)
			}
			b.store(c)
			e.Settle(c, now)
			return true
		}
		from := e.Lowest().Seq
		if e.Lowest().Idx == EndOfFrame {
			from++
		}
		for at := int(max(from, 1)) - 1; at < len(stream); {
			b.giveUp()
			var batch []Candidate
			for range rapid.IntRange(1, 3).Draw(t, "frames in a batch") {
				if at == len(stream) {
					break
				}
				for i, c := range stream[at] {
					batch = append(batch, c.candidate(record.Place{Seq: uint64(at + 1), Idx: uint32(i)}, i == len(stream[at])-1, lanes))
				}
				at++
			}
			e.Learn(b.answer(e, batch))
			for len(batch) > 0 {
				now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
				if e.Feed(&batch[0], now) != Full {
					batch = batch[1:]
				}
				if d := e.Due(now); d.Any() && !commit(d.Seal) {
					goto again
				}
			}
		}
		now = now.Add(config.Limits.Age)
		for d := e.Due(now); d.Any(); d = e.Due(now) {
			if !commit(d.Seal) {
				goto again
			}
		}
		b.check()
		b.readAgain(config, lanes)
	})
}

// readAgain reads all of the stream again: whatever became of a record, the ledger knows it.
func (b *books) readAgain(config Config, lanes int) {
	r := Recalled{Places: map[record.Place]Standing{}, Keys: map[record.Hash]Known{}, Before: map[record.Place]record.Hash{}, Equal: map[EntityVersion][]Same{}}
	for _, k := range b.records {
		r.Places[k.Place] = Standing{}
	}
	for hash, k := range b.byKey {
		k.GivenUp = false
		r.Keys[hash] = k
	}
	var batch []Candidate
	for f, frame := range b.stream {
		for i, c := range frame {
			batch = append(batch, c.candidate(record.Place{Seq: uint64(f + 1), Idx: uint32(i)}, i == len(frame)-1, lanes))
		}
	}
	w := RecallWants(config, batch)
	for _, c := range w.Before {
		var best Owner
		for _, k := range b.records {
			own := Owner{Version: k.Version, Place: k.Place}
			if c.Version == nil {
				own.Version = nil
			} else if k.Version == nil {
				continue
			}
			if k.EntityHash == c.EntityHash && k.Place.Less(c.Place) && (best.Place.Seq == 0 || best.olderThan(own)) {
				best, r.Before[c.Place] = own, k.Content
			}
		}
	}
	commit, known, err := Reread(config, batch, r, testStart, testID)
	if err != nil || known != len(batch) || len(commit.Chunks)+len(commit.Dead)+len(commit.Superseded)+commit.Records.Len() != 0 {
		b.t.Fatalf("read again, %d of %d are known, %d chunks and %d letters follow: %v", known, len(batch), len(commit.Chunks), len(commit.Dead), err)
	}
	// A ledger that lost everything takes all of it, each record once.
	commit, known, err = Reread(config, batch, Recalled{}, testStart, testID)
	if err != nil {
		b.t.Fatal(err)
	}
	accepted := len(commit.Dead) + len(commit.Superseded)
	for _, ch := range commit.Chunks {
		for _, n := range ch.Runs {
			accepted += n.Accepted
		}
	}
	if accepted+known != len(batch) || accepted != commit.Records.Len() {
		b.t.Fatalf("%d accepted and %d known are not the %d published; %d records", accepted, known, len(batch), commit.Records.Len())
	}
}

// giveUp lets a person discard some of the letters, as far as they are the last word on their keys.
func (b *books) giveUp() {
	for _, key := range slices.SortedFunc(maps.Keys(b.letters), func(x, y record.Hash) int { return strings.Compare(string(x[:]), string(y[:])) }) {
		k, ok := b.byKey[key]
		if ok && !k.GivenUp && int(k.Generation) == b.letters[key].Generation && rapid.IntRange(0, 5).Draw(b.t, "discard") == 0 {
			k.GivenUp = true
			b.byKey[key] = k
		}
	}
}

func (b *books) check() {
	all := 0
	want := map[string][4]string{}
	newest := map[string][4]Owner{}
	for f, frame := range b.stream {
		for i, c := range frame {
			all++
			place := record.Place{Seq: uint64(f + 1), Idx: uint32(i)}
			if !b.rowed[place] && !b.over[place] {
				continue
			}
			own := Owner{Version: record.Version{c.version}, Place: place}
			row, owners := want[c.entity], newest[c.entity]
			for n, v := range append([]string{c.entity}, c.fields[:]...) {
				if v == "" && c.whole {
					v = "#N/A"
				}
				if v != "" && (owners[n].Version == nil || owners[n].olderThan(own)) {
					row[n], owners[n] = v, own
				}
			}
			want[c.entity], newest[c.entity] = row, owners
		}
	}
	if diff := cmp.Diff(want, b.org); diff != "" {
		b.t.Fatalf("what landed is not the newest of each field (-want +got):\n%s", diff)
	}
	if sum := len(b.rowed) + len(b.over) + len(b.dead) + int(b.repeats); sum != all {
		b.t.Fatalf("%d in rows, %d superseded, %d dead and %d repeats are not the %d published", len(b.rowed), len(b.over), len(b.dead), b.repeats, all)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	config := Config{
		Pipeline: testPipeline, Header: testHeader, Lanes: 1, Versioned: true, Ordinals: []int{0, 1, 2, 3},
		Limits: Limits{Rows: 1000, Bytes: 1 << 20, Age: time.Minute},
	}
	feed := func(t *testing.T, e *Engine, changes ...change) Commit {
		t.Helper()
		for i, c := range changes {
			cand := c.candidate(at(uint64(i+1)), true, 1)
			if got := e.Feed(&cand, testStart); got != Taken {
				t.Fatalf("change %d: %v, want it taken", i, got)
			}
		}
		out, err := e.Cut(e.All(), testStart, testID)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}

	t.Run("a late version keeps the fields that no newer one names", func(t *testing.T) {
		t.Parallel()
		c := feed(t, New(config, nil),
			change{key: "k2", entity: "e", version: 2, fields: [3]string{"new", "", ""}},
			change{key: "k1", entity: "e", version: 1, fields: [3]string{"old", "kept", ""}})
		m, err := rowfile.DecodeManifest(c.Chunks[0].Manifest)
		if err != nil {
			t.Fatal(err)
		}
		entries := m.GetRows()[0].GetRecords()
		if len(entries) != 2 || entries[0].GetKey() != "k1" || record.Bitmap(entries[0].GetColumns()).Has(1) || entries[0].GetVersion()[0] != 1 {
			t.Errorf("records of the row: %v", entries)
		}
		if len(c.Superseded) != 0 || c.Chunks[0].Runs[""] != (Run{Records: 2, Accepted: 2}) {
			t.Errorf("%d superseded, runs %v", len(c.Superseded), c.Chunks[0].Runs)
		}
	})

	t.Run("an equal version with other content is a conflict, with the same content it is superseded", func(t *testing.T) {
		t.Parallel()
		c := feed(t, New(config, nil),
			change{key: "k1", entity: "e", version: 1, fields: [3]string{"a"}},
			change{key: "k2", entity: "e", version: 1, fields: [3]string{"b"}},
			change{key: "k3", entity: "e", version: 1, fields: [3]string{"a"}})
		if len(c.Dead) != 1 || c.Dead[0].Code != record.CodeVersionConflict || c.Dead[0].Key != "k2" {
			t.Errorf("dead %+v", c.Dead)
		}
		if len(c.Superseded) != 1 || c.Superseded[0].Key != "k3" || c.Superseded[0].Successor.Place != at(1) {
			t.Errorf("superseded %+v", c.Superseded)
		}
		for r := range c.Records.All() {
			if r.Ended() != (r.Place != at(1)) || r.Ended() && !r.Columns.Empty() {
				t.Errorf("record %+v", r)
			}
		}
	})

	t.Run("a key made of the entity and its version is a conflict of versions when it says something else", func(t *testing.T) {
		t.Parallel()
		versioned := config
		versioned.KeyIsVersioned = true
		c := feed(t, New(versioned, nil),
			change{key: "e|1", entity: "e", version: 1, fields: [3]string{"a"}},
			change{key: "e|1", entity: "e", version: 1, fields: [3]string{"b"}},
			change{key: "e|1", entity: "e", version: 1, fields: [3]string{"b"}})
		if len(c.Dead) != 1 || c.Dead[0].Code != record.CodeVersionConflict || !strings.HasPrefix(c.Dead[0].Key, "e|1#") || c.Repeats[""] != 1 {
			t.Errorf("dead %+v, repeats %v", c.Dead, c.Repeats)
		}
	})

	t.Run("a version that stands too far in among those of its row has its lane sealed first", func(t *testing.T) {
		t.Parallel()
		e := New(config, nil)
		for i := range maxWalk + 2 {
			c := change{key: fmt.Sprint("a", i), entity: "e", fields: [3]string{"a"}}.candidate(at(uint64(i+1)), true, 1)
			c.Version = record.Version(binary.BigEndian.AppendUint32(nil, uint32(2*i)))
			if got := e.Feed(&c, testStart); got != Taken {
				t.Fatalf("version %d: %v", i, got)
			}
		}
		c := change{key: "late", entity: "e", fields: [3]string{"", "b"}}.candidate(at(maxWalk+10), true, 1)
		c.Version = record.Version(binary.BigEndian.AppendUint32(nil, 2*maxWalk+1))
		if got := e.Feed(&c, testStart); got != Full {
			t.Fatalf("%v, want the lane to be full", got)
		}
		commit, err := e.Cut(e.Due(testStart).Seal, testStart, testID)
		if err != nil {
			t.Fatal(err)
		}
		e.Settle(commit, testStart)
		if got := e.Feed(&c, testStart); got != Taken {
			t.Errorf("%v once it is sealed, want it taken", got)
		}
	})

	t.Run("a lane that holds as many superseded records as one commit should is committed", func(t *testing.T) {
		t.Parallel()
		e := New(config, nil)
		feedOne := func(i int, version byte) Fed {
			c := change{key: fmt.Sprint("k", i), entity: "e", version: version, fields: [3]string{"a"}}.candidate(at(uint64(i+1)), true, 1)
			c.Content = record.HashContent(fmt.Append(nil, i))
			return e.Feed(&c, testStart)
		}
		feedOne(0, 9)
		for i := range MaxSuperseded {
			if got := feedOne(i+1, 1); got != Taken {
				t.Fatalf("record %d: %v", i, got)
			}
		}
		if d := e.Due(testStart); len(d.Seal) != 1 {
			t.Errorf("due %+v", d)
		}
		if got := feedOne(MaxSuperseded+1, 1); got != Full {
			t.Errorf("%v, want the lane to be full", got)
		}
	})
}
