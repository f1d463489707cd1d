package rowfile_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

func sixteen() *rapid.Generator[[]byte] { return rapid.SliceOfN(rapid.Byte(), 16, 16) }

// entries draws an entry of a manifest with any of its members.
func entries(runs int) *rapid.Generator[*flowv1.ManifestEntry] {
	return rapid.Custom(func(t *rapid.T) *flowv1.ManifestEntry {
		return &flowv1.ManifestEntry{
			Key: rapid.String().Draw(t, "key"), KeyHash: sixteen().Draw(t, "hash"), Seq: rapid.Uint64().Draw(t, "seq"), Idx: rapid.Uint32().Draw(t, "idx"),
			Run: rapid.Uint32Range(0, uint32(runs-1)).Draw(t, "run"), Columns: rapid.SliceOfN(rapid.Byte(), 1, 5).Draw(t, "columns"),
			Generation: rapid.Uint32().Draw(t, "generation"), Attempts: rapid.Uint32().Draw(t, "attempts"), FailureId: rapid.Int64().Draw(t, "failure"),
			LetterId:   rapid.OneOf(rapid.Just[[]byte](nil), sixteen()).Draw(t, "letter"),
			AcceptedAt: rapid.OneOf(rapid.Int64(), rapid.Just[int64](0)).Draw(t, "at"), Ambiguous: rapid.Bool().Draw(t, "ambiguous"),
			Version: rapid.SampledFrom([][]byte{nil, {0x10, 0x30}}).Draw(t, "version"),
		}
	})
}

func TestManifestWriter(t *testing.T) {
	t.Run("what is written row by row reads as what is written at once", rapid.MakeCheck(func(t *rapid.T) {
		want := &flowv1.Manifest{Pipeline: "contacts", Runs: rapid.SliceOfNDistinct(rapid.String(), 1, 3, rapid.ID[string]).Draw(t, "runs")}
		w := rowfile.NewManifestWriter(0)
		w.Pipeline(want.GetPipeline())
		for i, name := range want.GetRuns() {
			if n := w.Run(name); int(n) != i {
				t.Fatalf("run %d is %d", i, n)
			}
		}
		for range rapid.IntRange(0, 6).Draw(t, "rows") {
			row := &flowv1.ManifestRow{Records: rapid.SliceOfN(entries(len(want.GetRuns())), 1, 3).Draw(t, "records")}
			received := rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64}).Draw(t, "received")
			want.Rows = append(want.Rows, row)
			rowfile.AddReceived(want, received)
			w.Row(received)
			for _, e := range row.GetRecords() {
				r := rowfile.ManifestRecord{
					Key: []byte(e.GetKey()), KeyHash: (*[16]byte)(e.GetKeyHash()), Seq: e.GetSeq(), Idx: e.GetIdx(), Run: e.GetRun(), Columns: e.GetColumns(),
					Generation: e.GetGeneration(), Attempts: e.GetAttempts(), FailureID: e.GetFailureId(), LetterID: e.GetLetterId(), AcceptedAt: e.GetAcceptedAt(),
					Ambiguous: e.GetAmbiguous(), Version: e.GetVersion(),
				}
				if rapid.Bool().Draw(t, "a key made from the body") {
					r.Content, r.Key, r.KeyHash = (*[16]byte)(sixteen().Draw(t, "content")), nil, nil
					e.Key = record.BodyKey(*r.Content, record.Place{Seq: r.Seq, Idx: r.Idx})
					keyHash := record.HashKey(want.GetPipeline(), e.Key)
					e.KeyHash = keyHash[:]
				}
				w.Record(&r)
			}
		}
		data := w.Encode()
		got, err := rowfile.DecodeManifest(data)
		if err != nil || !proto.Equal(got, want) {
			t.Fatalf("%v\nwant %v: %v", got, want, err)
		}
		sameManifest(t, data, want, nil)
	}))
}

func TestManifestWriterOfManyRows(t *testing.T) {
	t.Parallel()
	const rows = 60_000
	write := func(size int) []byte {
		w := rowfile.NewManifestWriter(size)
		run := w.Run("r")
		for i := range rows {
			sum := sha256.Sum256(fmt.Append(nil, i))
			hash := [16]byte(sum[:16])
			w.Row(int64(i / 1000))
			w.Record(&rowfile.ManifestRecord{Key: fmt.Append(nil, "key-", i), KeyHash: &hash, Seq: uint64(i), Run: run, Columns: []byte{3}, AcceptedAt: 1})
		}
		return w.Encode()
	}
	data := write(64 * rows)
	m, err := rowfile.DecodeManifest(data)
	if err != nil || len(m.GetRows()) != rows || m.GetRuns()[0] != "r" {
		t.Fatalf("%d rows: %v", len(m.GetRows()), err)
	}
	for i, row := range m.GetRows() {
		if e := row.GetRecords()[0]; e.GetKey() != fmt.Sprint("key-", i) || e.GetSeq() != uint64(i) {
			t.Fatalf("row %d is %v", i, e)
		}
	}
	read, err := rowfile.ReadManifest(data)
	if err != nil || read.Len() != rows {
		t.Fatalf("taken apart: %v", err)
	}
	var header zstd.Header
	if err := header.Decode(data); err != nil || !header.HasFCS || header.FrameContentSize != uint64(proto.Size(m)) {
		t.Errorf("the frame says %d bytes, the manifest has %d: %v", header.FrameContentSize, proto.Size(m), err)
	}
	if !slices.Equal(write(0), data) {
		t.Error("the same rows give other bytes")
	}
	for _, n := range []int{1, 5, 13, 14, len(data) / 2, len(data) - 1} {
		if _, err := rowfile.ReadManifest(data[:n]); err == nil {
			t.Errorf("%d of %d bytes are taken for a manifest", n, len(data))
		}
	}
}

func TestParseRow(t *testing.T) {
	t.Run("a row comes back as its cells, and writes the same piece as they do", rapid.MakeCheck(func(t *rapid.T) {
		cells := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.StringMatching(`[ ",\n\r\x00a\x{a0}é]{0,6}`)), 1, 6).Draw(t, "cells")
		line := rowfile.AppendRow(nil, cells)
		got, err := rowfile.ParseRow(line, len(cells))
		if err != nil || !slices.Equal(got, cells) {
			t.Fatalf("%q, want %q: %v", got, cells, err)
		}
		if _, err := rowfile.ParseRow(line, len(cells)+1); !errors.Is(err, rowfile.ErrMalformed) {
			t.Fatalf("as a row of more cells: %v", err)
		}
		one, two := rowfile.NewWriter(cells), rowfile.NewWriter(cells)
		_, errOne := one.Add(cells)
		_, errTwo := two.AddRow(line)
		if errOne != nil || errTwo != nil || one.Bytes() != two.Bytes() || one.Rows() != two.Rows() || !slices.Equal(one.Close().Data, two.Close().Data) {
			t.Fatalf("%d and %d bytes: %v, %v", one.Bytes(), two.Bytes(), errOne, errTwo)
		}
	}))
	t.Run("two rows are not one, and half of one is none", func(t *testing.T) {
		for _, line := range []string{"a\nb\n", "a", "\"a\n", ""} {
			if _, err := rowfile.ParseRow([]byte(line), 1); !errors.Is(err, rowfile.ErrMalformed) {
				t.Errorf("%q: %v", line, err)
			}
		}
	})
	t.Run("rows that no chunk can hold are refused as they are from cells", func(t *testing.T) {
		w := rowfile.NewWriter([]string{"A"})
		if _, err := w.AddRow(make([]byte, rowfile.MaxRowBytes+1)); !errors.Is(err, rowfile.ErrRowTooLarge) {
			t.Errorf("%v", err)
		}
	})
}
