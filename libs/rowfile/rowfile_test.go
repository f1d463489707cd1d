package rowfile_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"bulkhead/libs/rowfile"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write puts rows through a writer.
func write(t testing.TB, header []string, rows [][]string) [][]byte {
	t.Helper()
	w := rowfile.NewWriter(header)
	var pieces [][]byte
	n := 0
	keep := func(p *rowfile.Piece) {
		if p == nil {
			return
		}
		if p.N != len(pieces) || p.Rows < 1 {
			t.Fatalf("piece %d of %d rows came as number %d", p.N, p.Rows, len(pieces))
		}
		n += p.Rows
		pieces = append(pieces, p.Data)
	}
	for _, row := range rows {
		p, err := w.Add(row)
		if err != nil {
			t.Fatal(err)
		}
		keep(p)
	}
	keep(w.Close())
	if n != len(rows) || w.Rows() != n || w.Pieces() != len(pieces) {
		t.Fatalf("%d rows in pieces, %d at the writer, %d given", n, w.Rows(), len(rows))
	}
	raw, err := io.ReadAll(rowfile.Raw(header, rowfile.Pieces(pieces...)))
	if err != nil || int64(len(raw)) != w.Bytes() {
		t.Fatalf("the writer counts %d bytes, there are %d: %v", w.Bytes(), len(raw), err)
	}
	return pieces
}

func read(header []string, pieces ...[]byte) ([][]string, error) {
	r := rowfile.Rows(header, rowfile.Pieces(pieces...))
	defer r.Close()
	var rows [][]string
	for {
		cells, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, slices.Clone(cells))
	}
}

func TestCSV(t *testing.T) {
	for _, c := range []struct {
		name  string
		cells []string
		want  string
	}{
		{"plain cells are not quoted", []string{"a", "b c", "#N/A", "=1+1", "ä"}, "a,b c,#N/A,=1+1,ä\n"},
		{"empty cells are nothing", []string{"", "", ""}, ",,\n"},
		{"an empty row of one column is not an empty line", []string{""}, "\"\"\n"},
		{"delimiters, quotes and line ends are quoted", []string{"a,b", `say "x"`, "1\n2", "1\r\n2"}, "\"a,b\",\"say \"\"x\"\"\",\"1\n2\",\"1\r\n2\"\n"},
		{"blanks at the ends are quoted", []string{" a", "a ", "\ta", "\u00a0a"}, "\" a\",\"a \",\"\ta\",\"\u00a0a\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(rowfile.AppendRow(nil, c.cells)); got != c.want || rowfile.RowSize(c.cells) != len(c.want) {
				t.Errorf("%q of size %d", got, rowfile.RowSize(c.cells))
			}
		})
	}
}

// partsAreTheSame reads a cell of each row, and each row's line, and compares them with the rows.
func partsAreTheSame(t interface{ Fatalf(string, ...any) }, header []string, pieces [][]byte, rows [][]string) {
	cells, lines := rowfile.Rows(header, rowfile.Pieces(pieces...)), rowfile.Rows(header, rowfile.Pieces(pieces...))
	for i, row := range rows {
		column := i % len(header)
		if cell, err := cells.NextCell(column); err != nil || string(cell) != row[column] {
			t.Fatalf("row %d, cell %d is %q: %v", i, column, cell, err)
		}
		if line, err := lines.NextLine(); err != nil || string(line) != string(rowfile.AppendRow(nil, row)) {
			t.Fatalf("row %d is %q: %v", i, line, err)
		}
	}
	if _, err := cells.NextCell(0); !errors.Is(err, io.EOF) {
		t.Fatalf("behind the last row: %v", err)
	}
	if _, err := lines.NextLine(); !errors.Is(err, io.EOF) {
		t.Fatalf("behind the last row: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	cell := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", " ", `"`, `""`, ",", "\n", "\r", "\r\n", `\`, "#N/A", "a\x00b", "\xff", " x ", "é"}))
	t.Run("rows come back byte for byte, here and in other readers", rapid.MakeCheck(func(rt *rapid.T) {
		columns := rapid.IntRange(1, 6).Draw(rt, "columns")
		header := make([]string, columns)
		for i := range header {
			header[i] = fmt.Sprintf("C%d__c", i)
		}
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, columns, columns), 0, 40).Draw(rt, "rows")
		pieces := write(t, header, rows)
		got, err := read(header, pieces...)
		if err != nil || len(got) != len(rows) {
			rt.Fatalf("%d rows of %d: %v", len(got), len(rows), err)
		}
		partsAreTheSame(rt, header, pieces, rows)
		raw, err := io.ReadAll(rowfile.Raw(header, rowfile.Pieces(pieces...)))
		if err != nil {
			rt.Fatal(err)
		}
		other, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
		if err != nil || len(other) != len(rows)+1 {
			rt.Fatalf("encoding/csv reads %d rows of %d: %v", len(other), len(rows)+1, err)
		}
		for i, row := range rows {
			if !slices.Equal(got[i], row) {
				rt.Fatalf("row %d: %q, want %q", i, got[i], row)
			}
			for j, want := range row {
				// That reader gives CRLF inside a cell as LF.
				if other[i+1][j] != strings.ReplaceAll(want, "\r\n", "\n") {
					rt.Fatalf("row %d: encoding/csv reads %q, want %q", i, other[i+1], row)
				}
			}
		}
	}))
	t.Run("many rows are cut into pieces of about a megabyte, the same each time", func(t *testing.T) {
		header := []string{"Ext__c", "Name"}
		var rows [][]string
		for i := range 60_000 {
			rows = append(rows, []string{fmt.Sprint("id-", i), strings.Repeat("x", i%97)})
		}
		pieces := write(t, header, rows)
		if len(pieces) < 3 {
			t.Errorf("%d pieces", len(pieces))
		}
		for i, p := range pieces {
			raw, err := rowfile.DecodePiece(p)
			if err != nil || len(raw) > rowfile.PieceBytes+200 || raw[len(raw)-1] != '\n' {
				t.Errorf("piece %d: %d bytes, %v", i, len(raw), err)
			}
		}
		if !slices.EqualFunc(pieces, write(t, header, rows), bytes.Equal) {
			t.Error("the same rows give other bytes")
		}
		got, err := read(header, pieces...)
		must(t, err)
		if len(got) != len(rows) || got[59_999][0] != "id-59999" {
			t.Errorf("%d rows", len(got))
		}
	})
	t.Run("a chunk without rows is a header", func(t *testing.T) {
		raw, err := io.ReadAll(rowfile.Raw([]string{"A", "B"}, rowfile.Pieces()))
		if err != nil || string(raw) != "A,B\n" {
			t.Errorf("%q %v", raw, err)
		}
	})
}

func TestWriterBounds(t *testing.T) {
	t.Run("a chunk never exceeds its maximum, and no row is split", func(t *testing.T) {
		w := rowfile.NewWriter([]string{"A"})
		cell := strings.Repeat("x", 1_000_000)
		var err error
		for err == nil {
			if fits := w.Fits([]string{cell}); fits != (w.Bytes()+1_000_001 <= rowfile.MaxBytes) {
				t.Fatal("Fits says something else")
			}
			_, err = w.Add([]string{cell})
		}
		if !errors.Is(err, rowfile.ErrFull) || w.Bytes() > rowfile.MaxBytes || w.Rows() != 99 {
			t.Errorf("%d rows, %d bytes, %v", w.Rows(), w.Bytes(), err)
		}
		if _, err := w.Add([]string{"y"}); err != nil {
			t.Errorf("a small row would still fit: %v", err)
		}
	})
	t.Run("a row that fits no chunk is told apart", func(t *testing.T) {
		w := rowfile.NewWriter([]string{"A"})
		if _, err := w.Add([]string{strings.Repeat("x", rowfile.MaxRowBytes)}); !errors.Is(err, rowfile.ErrRowTooLarge) {
			t.Errorf("%v", err)
		}
		if w.Rows() != 0 || w.Close() != nil {
			t.Error("it was added")
		}
	})
	t.Run("a row of another width is refused", func(t *testing.T) {
		if _, err := rowfile.NewWriter([]string{"A"}).Add([]string{"x", "y"}); err == nil {
			t.Error("it was added")
		}
	})
}

func zstdOf(t testing.TB, raw []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.EncodeAll(raw, nil)
}

func TestReaderReadsPiecesOfEarlierReleases(t *testing.T) {
	rows := [][]string{{"a", "b"}, {"c", strings.Repeat("d", 5000)}}
	raw, err := rowfile.DecodePiece(write(t, []string{"A", "B"}, rows)[0])
	must(t, err)
	got, err := read([]string{"A", "B"}, zstdOf(t, raw), write(t, []string{"A", "B"}, rows)[0])
	must(t, err)
	if !slices.EqualFunc(got, slices.Concat(rows, rows), slices.Equal) {
		t.Errorf("%q", got)
	}
}

func TestReaderRefuses(t *testing.T) {
	for _, c := range []struct{ name, raw string }{
		{"a row of another width", "a,b\nc\n"},
		{"a piece that ends inside a row", "a,b\nc,d"},
		{"an open quote", "a,\"b\nc,d\n"},
		{"a quote inside a plain cell", "a,b\"c\n"},
		{"something behind a closing quote", "\"a\"x,b\n"},
		{"a bare carriage return", "a,b\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if rows, err := read([]string{"A", "B"}, zstdOf(t, []byte(c.raw))); !errors.Is(err, rowfile.ErrMalformed) {
				t.Errorf("%q %v", rows, err)
			}
		})
	}
	t.Run("bytes that are no piece", func(t *testing.T) {
		for _, data := range [][]byte{nil, []byte("a,b\n"), {0x28, 0xb5, 0x2f, 0xfd}, []byte("S"), []byte("S1234"), []byte("S1234\x05ab")} {
			if _, err := read([]string{"A"}, data); err == nil {
				t.Errorf("%x is read", data)
			}
		}
	})
	t.Run("a piece that would grow beyond its bound", func(t *testing.T) {
		long := []byte("S\x00\x00\x00\x00")
		for _, piece := range [][]byte{zstdOf(t, make([]byte, 64<<20)), append(long, s2.Encode(nil, make([]byte, 64<<20))...)} {
			if _, err := rowfile.DecodePiece(piece); err == nil {
				t.Error("it is read")
			}
		}
	})
	t.Run("a piece of which a disk has changed a bit, wherever", func(t *testing.T) {
		good := write(t, []string{"A"}, [][]string{{"aa"}, {strings.Repeat("b", 300)}, {"cc"}})[0]
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 4
			if raw, err := rowfile.DecodePiece(bad); err == nil {
				t.Errorf("with byte %d changed it is read as %q", i, raw)
			}
		}
	})
	t.Run("a stream that does not say its size", func(t *testing.T) {
		var buf bytes.Buffer
		w, err := zstd.NewWriter(&buf)
		must(t, err)
		for range 64 {
			_, err := w.Write(make([]byte, 1<<20))
			must(t, err)
		}
		must(t, w.Close())
		if _, err := rowfile.DecodePiece(buf.Bytes()); err == nil {
			t.Error("it is read")
		}
	})
	t.Run("several frames where one should be", func(t *testing.T) {
		one := zstdOf(t, []byte(strings.Repeat("x", 3<<20)))
		if _, err := rowfile.DecodePiece(slices.Concat(one, one, one)); err == nil {
			t.Error("it is read")
		}
	})
	t.Run("passes on what went wrong with getting pieces, and stays there", func(t *testing.T) {
		broken := errors.New("database is away")
		var source iter.Seq2[[]byte, error] = func(yield func([]byte, error) bool) {
			if yield(zstdOf(t, []byte("a\n")), nil) {
				yield(nil, broken)
			}
		}
		r := rowfile.Rows([]string{"A"}, source)
		_, err := r.Next()
		must(t, err)
		for range 2 {
			if _, err := r.Next(); !errors.Is(err, broken) {
				t.Errorf("%v", err)
			}
		}
		raw := rowfile.Raw([]string{"A"}, source)
		if _, err := io.ReadAll(raw); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		must(t, raw.Close())
	})
	t.Run("a closed reader gives nothing more", func(t *testing.T) {
		piece := zstdOf(t, []byte("a\nb\n"))
		r := rowfile.Rows([]string{"A"}, rowfile.Pieces(piece))
		if cells, err := r.Next(); err != nil || cells[0] != "a" || r.Row() != 1 {
			t.Errorf("%v %v", cells, err)
		}
		r.Close()
		r.Close()
		if _, err := r.Next(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%v", err)
		}
	})
}

func manifest() *flowv1.Manifest {
	entry := func(key string) *flowv1.ManifestEntry {
		return &flowv1.ManifestEntry{Key: key, KeyHash: make([]byte, 16), Seq: 7, Columns: []byte{3}, AcceptedAt: 1}
	}
	return &flowv1.Manifest{Runs: []string{""}, Rows: []*flowv1.ManifestRow{
		{Records: []*flowv1.ManifestEntry{entry("a"), entry("b")}},
		{Records: []*flowv1.ManifestEntry{entry("c")}},
	}}
}

func TestManifest(t *testing.T) {
	t.Run("comes back as it was", func(t *testing.T) {
		got, err := rowfile.DecodeManifest(rowfile.EncodeManifest(manifest()))
		if err != nil || !proto.Equal(got, manifest()) {
			t.Errorf("%v %v", got, err)
		}
	})
	t.Run("an empty one comes back too", func(t *testing.T) {
		if got, err := rowfile.DecodeManifest(rowfile.EncodeManifest(&flowv1.Manifest{})); err != nil || len(got.GetRows()) != 0 {
			t.Errorf("%v %v", got, err)
		}
	})
	t.Run("a large one comes back", func(t *testing.T) {
		m := manifest()
		for range 200_000 {
			m.Rows = append(m.Rows, m.Rows[0])
		}
		got, err := rowfile.DecodeManifest(rowfile.EncodeManifest(m))
		if err != nil || len(got.GetRows()) != len(m.GetRows()) {
			t.Errorf("%v", err)
		}
		sameManifest(t, rowfile.EncodeManifest(m), got, err)
	})
	for name, spoil := range map[string]func(*flowv1.Manifest){
		"a row without records":   func(m *flowv1.Manifest) { m.Rows[1].Records = nil },
		"a hash of another size":  func(m *flowv1.Manifest) { m.Rows[0].Records[1].KeyHash = []byte{1} },
		"a run that is not there": func(m *flowv1.Manifest) { m.Rows[0].Records[0].Run = 1 },
		"a content hash cut off":  func(m *flowv1.Manifest) { m.Rows[0].Records[0].Content = []byte{1} },
		"a letter id cut off":     func(m *flowv1.Manifest) { m.Rows[0].Records[0].LetterId = []byte{1} },
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			m := manifest()
			spoil(m)
			if _, err := rowfile.DecodeManifest(rowfile.EncodeManifest(m)); !errors.Is(err, rowfile.ErrMalformed) {
				t.Errorf("%v", err)
			}
			if _, err := rowfile.ReadManifest(rowfile.EncodeManifest(m)); !errors.Is(err, rowfile.ErrMalformed) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("bytes that are no manifest are refused", func(t *testing.T) {
		for _, data := range [][]byte{nil, []byte("x"), zstdOf(t, []byte("\xff\xff\xff"))} {
			if _, err := rowfile.DecodeManifest(data); err == nil {
				t.Errorf("%x is read", data)
			}
		}
	})
}

// sameManifest reads a manifest row by row and compares it with what was read of it at once.
func sameManifest(t rapid.TB, data []byte, want *flowv1.Manifest, wantErr error) {
	t.Helper()
	got, err := rowfile.ReadManifest(data)
	if (err == nil) != (wantErr == nil) || errors.Is(err, rowfile.ErrMalformed) != errors.Is(wantErr, rowfile.ErrMalformed) {
		t.Fatalf("%v, at once %v", err, wantErr)
	}
	if err != nil {
		return
	}
	if got.Len() != len(want.GetRows()) || !slices.Equal(got.Runs(), want.GetRuns()) {
		t.Fatalf("%d rows, runs %q", got.Len(), got.Runs())
	}
	for i, row := range want.GetRows() {
		if again, err := got.Row(i); err != nil || !proto.Equal(again, row) {
			t.Fatalf("row %d is %v, at once %v: %v", i, again, row, err)
		}
		var runs []int
		got.EachRun(i, func(run int) { runs = append(runs, run) })
		if !slices.EqualFunc(runs, row.GetRecords(), func(run int, e *flowv1.ManifestEntry) bool { return run == int(e.GetRun()) }) {
			t.Fatalf("row %d has runs %v: %v", i, runs, row)
		}
	}
}

func TestReadingHoldsOnePiece(t *testing.T) {
	t.Run("pieces of about one size are unpacked into one buffer", func(t *testing.T) {
		header := []string{"A"}
		w := rowfile.NewWriter(header)
		var pieces [][]byte
		for i := 0; len(pieces) < 24; i++ {
			piece, err := w.Add([]string{strings.Repeat("x", 1000+i*7919%4000)})
			if err != nil {
				t.Fatal(err)
			}
			if piece != nil {
				pieces = append(pieces, piece.Data)
			}
		}
		rows := 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for r := rowfile.Rows(header, rowfile.Pieces(pieces...)); ; rows++ {
			if _, err := r.NextLine(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; rows < 1000 || took > 4*rowfile.PieceBytes {
			t.Errorf("%d rows of %d pieces took %d bytes", rows, len(pieces), took)
		}
	})
}

func TestManifestsThatListTooMuch(t *testing.T) {
	// A field of no bytes is two of them, and a thousand times as many when it is taken apart.
	many := func(tag byte, n int) []byte {
		e, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
		if err != nil {
			t.Fatal(err)
		}
		return e.EncodeAll(bytes.Repeat([]byte{tag, 0}, n), nil)
	}
	for name, tag := range map[string]byte{"runs": 0x0a, "rows": 0x12, "times": 0x1a} {
		t.Run("a manifest of millions of empty "+name+" is refused", func(t *testing.T) {
			var before, after runtime.MemStats
			data := many(tag, 8<<20)
			runtime.ReadMemStats(&before)
			_, err := rowfile.ReadManifest(data)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, rowfile.ErrMalformed) || took > 320<<20 {
				t.Errorf("%v, with %d bytes taken", err, took)
			}
		})
	}
}

func FuzzRows(f *testing.F) {
	for _, seed := range []string{"a,b\n", "\"a\",\"b\"\"c\"\n", "\"\n", ",\n", "a\r\n", "\"\",\"\"\n,\n"} {
		f.Add([]byte(seed))
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rows, err := read([]string{"A", "B"}, e.EncodeAll(raw, nil))
		if err != nil {
			return
		}
		// What is read can be written, and is then read as the same.
		pieces := write(t, []string{"A", "B"}, rows)
		partsAreTheSame(t, []string{"A", "B"}, pieces, rows)
		again, err := read([]string{"A", "B"}, pieces...)
		if err != nil || !slices.EqualFunc(rows, again, slices.Equal) {
			t.Fatalf("%q, then %q: %v", rows, again, err)
		}
	})
}

func FuzzDecodePiece(f *testing.F) {
	w := rowfile.NewWriter([]string{"A"})
	if _, err := w.Add([]string{"a"}); err != nil {
		f.Fatal(err)
	}
	f.Add(w.Close().Data)
	f.Add(zstdOf(f, []byte("a\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		raw, err := rowfile.DecodePiece(data)
		if err != nil && raw != nil || len(raw) > rowfile.PieceBytes+rowfile.MaxRowBytes {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	f.Add(rowfile.EncodeManifest(manifest()))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := rowfile.DecodeManifest(data)
		sameManifest(t, data, m, err)
		if err == nil {
			if again, err := rowfile.DecodeManifest(rowfile.EncodeManifest(m)); err != nil || !proto.Equal(m, again) {
				t.Fatalf("%v", err)
			}
		}
	})
}

func BenchmarkWriteRead(b *testing.B) {
	header := []string{"External_Id__c", "FirstName", "LastName", "Email", "Phone", "Account.External_Id__c", "Loyalty_Number__c"}
	row := []string{"con-000001", "Ada", "Example", "ada.example@example.com", "+1 555 0101", "acc-000001", "L-000001"}
	rows := make([][]string, 10_000)
	for i := range rows {
		rows[i] = row
	}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := read(header, write(b, header, rows)...); err != nil || len(got) != len(rows) {
			b.Fatal(err)
		}
	}
}

func BenchmarkManifest(b *testing.B) {
	m := manifest()
	m.Rows = m.Rows[:1]
	for range 99_999 {
		m.Rows = append(m.Rows, m.Rows[0])
	}
	packed := rowfile.EncodeManifest(m)
	b.Run("at once", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := rowfile.DecodeManifest(packed); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("the runs of each row", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m, err := rowfile.ReadManifest(packed)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for row := range m.Len() {
				m.EachRun(row, func(int) { n++ })
			}
			if n < m.Len() {
				b.Fatal(n)
			}
		}
	})
}

func BenchmarkReading(b *testing.B) {
	header := []string{"External_Id__c", "FirstName", "LastName", "Email", "Phone", "Account.External_Id__c", "Loyalty_Number__c", "Description"}
	row := []string{"con-000001", "Ada", "Example", "ada.example@example.com", "+1 555 0101", "acc-000001", "L-000001", strings.Repeat("lorem ipsum ", 13)}
	quoted := slices.Clone(row)
	quoted[1] = "Ada, the first"
	for name, cells := range map[string][]string{"plain": row, "quoted": quoted} {
		rows := make([][]string, 100_000)
		for i := range rows {
			rows[i] = cells
		}
		pieces := write(b, header, rows)
		all := func(b *testing.B, next func(r *rowfile.RowReader) error) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				r := rowfile.Rows(header, rowfile.Pieces(pieces...))
				for {
					err := next(r)
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		b.Run(name+" rows", func(b *testing.B) { all(b, func(r *rowfile.RowReader) error { _, err := r.Next(); return err }) })
		b.Run(name+" keys", func(b *testing.B) { all(b, func(r *rowfile.RowReader) error { _, err := r.NextCell(0); return err }) })
		b.Run(name+" lines", func(b *testing.B) { all(b, func(r *rowfile.RowReader) error { _, err := r.NextLine(); return err }) })
	}
}
