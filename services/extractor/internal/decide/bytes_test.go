package decide

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/rowfile"
)

// cutStream feeds records to an engine and seals whatever is full, and in the end the rest, as a reader does.
func cutStream(t rapid.TB, config Config, records []published) []Chunk {
	e := New(config, nil)
	var out []Chunk
	ids := uint64(0)
	seal := func(lanes []int) {
		c, err := e.Cut(lanes, testStart, func() (id [16]byte) {
			ids++
			binary.BigEndian.PutUint64(id[8:], ids)
			return id
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c.Chunks...)
		e.Settle(c, testStart)
	}
	for i, p := range records {
		c := p.candidate(at(uint64(i+1)), true, config.Lanes)
		for tries := 0; e.Feed(&c, testStart) != Taken; tries++ {
			if tries > 0 {
				t.Fatalf("record %d is not taken by an empty lane", i)
			}
			seal(e.Due(testStart).Seal)
		}
		if due := e.Due(testStart); due.Any() {
			seal(due.Seal)
		}
	}
	if due := e.Due(testStart.Add(config.Limits.Age)); due.Any() {
		seal(due.Seal)
	}
	return out
}

// rawOf is a chunk as it is uploaded.
func rawOf(c Chunk, header []string) io.ReadCloser {
	var data [][]byte
	for _, p := range c.Pieces {
		data = append(data, p.Data)
	}
	return rowfile.Raw(header, rowfile.Pieces(data...))
}

// Whatever the records are, no upload is above its bytes unless one row alone is, and each record stands in one upload, whole. The judge reads CSV with
// somebody else's parser.
func TestNoUploadExceedsItsBytesOrSplitsARecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab,\"\n é😀")), 0, 200, -1)
		n := rapid.IntRange(1, 80).Draw(t, "records")
		records := make([]published, n)
		for i := range records {
			records[i] = published{entity: fmt.Sprintf("e%d", i), fields: [3]string{text.Draw(t, "a"), text.Draw(t, "b"), text.Draw(t, "c")}}
		}
		config := Config{
			Pipeline: testPipeline, Header: testHeader, Lanes: rapid.IntRange(1, 3).Draw(t, "lanes"),
			Limits: Limits{Rows: rapid.IntRange(1, 100).Draw(t, "rows"), Bytes: int64(rapid.IntRange(50, 4000).Draw(t, "bytes")), Age: time.Second},
		}
		seen := map[string][]string{}
		for _, c := range cutStream(t, config, records) {
			in := rawOf(c, testHeader)
			raw, err := io.ReadAll(in)
			in.Close()
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(raw)) != c.Bytes || c.Rows > config.Limits.Rows || c.Rows > 1 && c.Bytes > config.Limits.Bytes {
				t.Fatalf("an upload of %d bytes in %d rows says that it has %d; it may have %d in %d", len(raw), c.Rows, c.Bytes, config.Limits.Bytes, config.Limits.Rows)
			}
			table, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
			if err != nil || !slices.Equal(table[0], testHeader) || len(table) != c.Rows+1 {
				t.Fatalf("%v in %q", err, raw)
			}
			for _, row := range table[1:] {
				if seen[row[0]] != nil {
					t.Fatalf("%s stands in two uploads", row[0])
				}
				seen[row[0]] = row
			}
		}
		for _, p := range records {
			if want := append([]string{p.entity}, p.fields[:]...); !slices.Equal(seen[p.entity], want) {
				t.Fatalf("%q was published, %q is uploaded", want, seen[p.entity])
			}
		}
	})
}

func TestFourHundredMegabytesAreFourUploadsAtLeast(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789", 10_000)
	records := make([]published, 4001)
	for i := range records {
		records[i] = published{entity: fmt.Sprintf("e%d", i), fields: [3]string{big}}
	}
	config := Config{Pipeline: testPipeline, Header: testHeader, Lanes: 1, Limits: Limits{Rows: 1 << 20, Bytes: rowfile.MaxBytes, Age: time.Second}}
	chunks := cutStream(t, config, records)
	rows, total := 0, int64(0)
	for _, c := range chunks {
		if c.Bytes > rowfile.MaxBytes {
			t.Errorf("an upload of %d bytes", c.Bytes)
		}
		rows, total = rows+c.Rows, total+c.Bytes
	}
	if len(chunks) < 5 || rows != len(records) || total < 400_000_000 {
		t.Errorf("%d uploads of %d rows and %d bytes", len(chunks), rows, total)
	}
}
