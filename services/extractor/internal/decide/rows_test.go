package decide

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/rowfile"
)

// tableOf is a chunk's rows as somebody else reads them, and checks what the chunk says of them.
func tableOf(t rapid.TB, c Chunk) [][]string {
	in := rawOf(c, testHeader)
	defer in.Close()
	raw, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil || len(table) != c.Rows+1 || int64(len(raw)) != c.Bytes {
		t.Fatalf("%d rows in %d bytes, the chunk says %d in %d: %v", len(table)-1, len(raw), c.Rows, c.Bytes, err)
	}
	return table[1:]
}

// Rows are so large here that pieces fill and are packed while later records of their entities still come.
func TestRecordsMergeIntoRowsWhosePieceIsPacked(t *testing.T) {
	t.Parallel()
	cell := rapid.Custom(func(t *rapid.T) string {
		text := rapid.SampledFrom([]string{"", "x", "plain ", `"quoted" `, "a,b\n"}).Draw(t, "text")
		return strings.Repeat(text, rapid.SampledFrom([]int{1, 2, 12_000}).Draw(t, "times"))
	})
	t.Run("in the order of the stream, over any number of chunks", rapid.MakeCheck(func(t *rapid.T) {
		config := Config{
			Pipeline: testPipeline, Header: testHeader, Lanes: 1,
			Limits: Limits{Rows: 1000, Bytes: rapid.SampledFrom([]int64{1_500_000, 4_000_000, 20_000_000}).Draw(t, "bytes"), Age: time.Second},
		}
		records := make([]published, rapid.IntRange(1, 40).Draw(t, "records"))
		want := map[string][3]string{}
		for i := range records {
			p := published{entity: fmt.Sprintf("e%d", rapid.IntRange(0, 20).Draw(t, "entity")), fields: [3]string{cell.Draw(t, "a"), cell.Draw(t, "b"), fmt.Sprint(i)}}
			records[i] = p
			said := want[p.entity]
			for n, f := range p.fields {
				if f != "" {
					said[n] = f
				}
			}
			want[p.entity] = said
		}
		got := map[string][3]string{}
		for _, c := range cutStream(t, config, records) {
			if c.Bytes > config.Limits.Bytes {
				t.Fatalf("an upload of %d bytes, at most %d", c.Bytes, config.Limits.Bytes)
			}
			for _, row := range tableOf(t, c) {
				landed := got[row[0]]
				for n, f := range row[1:] {
					if f != "" {
						landed[n] = f
					}
				}
				got[row[0]] = landed
			}
		}
		if !maps.Equal(got, want) {
			t.Fatal("the org would hold something else than what was published")
		}
	}))
	t.Run("by version", rapid.MakeCheck(func(t *rapid.T) {
		config := Config{
			Pipeline: testPipeline, Header: testHeader, Lanes: 1, Versioned: true, Ordinals: []int{0, 1, 2, 3},
			Limits: Limits{Rows: 1000, Bytes: rowfile.MaxBytes, Age: time.Second},
		}
		e := New(config, nil)
		type valued struct {
			text    string
			version int
		}
		want := map[string][3]valued{}
		for i, version := range rapid.Permutation(slices.Collect(rangeOf(1, 120))).Draw(t, "versions")[:rapid.IntRange(1, 40).Draw(t, "records")] {
			p := change{entity: fmt.Sprintf("e%d", rapid.IntRange(0, 20).Draw(t, "entity")), version: byte(version), fields: [3]string{cell.Draw(t, "a"), cell.Draw(t, "b"), fmt.Sprint(i)}}
			c := p.candidate(at(uint64(i+1)), true, 1)
			if fed := e.Feed(&c, testStart); fed != Taken {
				t.Fatalf("record %d: %v", i, fed)
			}
			said := want[p.entity]
			for n, f := range p.fields {
				if f != "" && said[n].version < version {
					said[n] = valued{f, version}
				}
			}
			want[p.entity] = said
		}
		cut, err := e.Cut(e.All(), testStart, testID)
		if err != nil || len(cut.Chunks) != 1 {
			t.Fatalf("%d chunks: %v", len(cut.Chunks), err)
		}
		again, err := e.Cut(e.All(), testStart, testID)
		if err != nil || again.Chunks[0].Bytes != cut.Chunks[0].Bytes || len(again.Chunks[0].Pieces) != len(cut.Chunks[0].Pieces) {
			t.Fatalf("cut again it is another chunk: %v", err)
		}
		for _, row := range tableOf(t, cut.Chunks[0]) {
			for n, f := range row[1:] {
				if f != want[row[0]][n].text {
					t.Fatalf("%s has in column %d a text of %d bytes, not that of version %d", row[0], n, len(f), want[row[0]][n].version)
				}
			}
		}
	}))
}

func rangeOf(from, to int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for n := from; n <= to && yield(n); n++ {
			continue
		}
	}
}

// BenchmarkMergeFar merges records into rows that lie anywhere in a large chunk.
func BenchmarkMergeFar(b *testing.B) {
	const rows = 100_000
	config := Config{Pipeline: testPipeline, Header: testHeader, Lanes: 1, Limits: Limits{Rows: rows, Bytes: rowfile.MaxBytes, Age: time.Second}}
	filler := strings.Repeat("0123456789", 40)
	e := New(config, nil)
	for i := range rows {
		c := published{entity: fmt.Sprint(i), fields: [3]string{filler}}.candidate(at(uint64(i+1)), true, 1)
		if e.Feed(&c, testStart) != Taken {
			b.Fatal("full")
		}
	}
	i := 0
	for b.Loop() {
		c := published{entity: fmt.Sprint(i * 7919 % rows), fields: [3]string{"", "new", fmt.Sprint(i)}}.candidate(at(uint64(rows+i+1)), true, 1)
		e.lanes[0].inRows = rows // as many merges as the time takes
		if e.Feed(&c, testStart) != Taken {
			b.Fatal("full")
		}
		i++
	}
}
