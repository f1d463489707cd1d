package submit

import (
	"context"
	"fmt"
	"io"
	"iter"
	"testing"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	"bulkhead/services/submitter/internal/store"
)

// What an upload costs before it is on the wire: pieces unpacked, rows left out where there are any, and all of it hashed:
//
//	go test ./submitter/internal/submit -run '^$' -bench Body -benchmem
func BenchmarkBody(b *testing.B) {
	const rows = 100_000
	header := []string{"External_Id__c", "FirstName", "LastName", "Email", "Phone", "Description"}
	w := rowfile.NewWriter(header)
	var pieces [][]byte
	keep := func(p *rowfile.Piece, err error) {
		if err != nil {
			b.Fatal(err)
		}
		if p != nil {
			pieces = append(pieces, p.Data)
		}
	}
	for n := range rows {
		keep(w.Add([]string{
			fmt.Sprintf("cust-%07d", n), fmt.Sprint("First ", n%997), "Lastname", fmt.Sprintf("somebody.%d@example.com", n), "+1 555 0100",
			"lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua",
		}))
	}
	keep(w.Close(), nil)
	var column record.Bitmap
	column.Set(4)
	for name, omitted := range map[string]store.Omitted{
		"as sealed":                  {},
		"with rows left out":         {Rows: map[int]bool{1: true, 50_000: true}},
		"with a column left out too": {Rows: map[int]bool{1: true}, Columns: map[int]record.Bitmap{2: column, 70_000: column}},
	} {
		b.Run(name, func(b *testing.B) {
			u := &upload{
				chunk: store.Chunk{Header: header, Rows: rows}, omitted: omitted, ordinal: []int{0, 1, 2, 3, 4, 5},
				pieces: func(context.Context) iter.Seq2[[]byte, error] { return rowfile.Pieces(pieces...) },
			}
			b.SetBytes(w.Bytes())
			b.ReportAllocs()
			for b.Loop() {
				m := newMeter(u.open(b.Context()))
				if n, err := io.Copy(io.Discard, m); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
