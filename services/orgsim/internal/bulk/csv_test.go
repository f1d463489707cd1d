package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestRowsAreReadAsRFC4180(t *testing.T) {
	for _, tc := range []struct {
		does, line string
		want       []string
		problem    string
	}{
		{"plain values", "a,b", []string{"a", "b"}, ""},
		{"empty values", ",", []string{"", ""}, ""},
		{"spaces as they are", " a ,b ", []string{" a ", "b "}, ""},
		{"quoted delimiters", `"a,b",c`, []string{"a,b", "c"}, ""},
		{"doubled quotes", `"a""b","""",""`, []string{`a"b`, `"`, ""}, ""},
		{"quoted line breaks", "\"a\nb\",c", []string{"a\nb", "c"}, ""},
		{"a space before a quote", `"John", "Smith"`, []string{"John", ` "Smith"`}, "a quote inside"},
		{"text behind a quote", `"a"b,c`, []string{"a"}, "outside the quotes"},
		{"a quote that does not end", `"a,b`, []string{"a,b"}, "does not end"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			got, problem := parseRow(tc.line, ',', nil)
			if !slices.Equal(got, tc.want) || (problem == "") != (tc.problem == "") || !strings.Contains(problem, tc.problem) {
				t.Errorf("got %q %q", got, problem)
			}
		})
	}
	t.Run("another number of values than the header fails the row", func(t *testing.T) {
		for _, line := range []string{"a\n", "a,b,c\n"} {
			if r := newRowReader(',', 2, 1).read(line); r.Error == nil || len(r.Cells) != 2 {
				t.Errorf("%q gave %+v", line, r)
			}
		}
	})
	t.Run("a value that is too large fails the row", func(t *testing.T) {
		if r := newRowReader(',', 1, 1).read(strings.Repeat("x", 131_073)); !strings.Contains(r.Error.Error(), "131072") {
			t.Errorf("got %.80s", r.Error)
		}
	})
}

// content reads an upload back: its bytes and its rows.
func content(t testing.TB, u *Upload) (string, []string) {
	t.Helper()
	var all bytes.Buffer
	if _, err := u.WriteTo(&all); err != nil {
		t.Fatal(err)
	}
	var rows []string
	if err := u.rows(0, u.Rows, func(_ int, line string) bool { rows = append(rows, line); return true }); err != nil {
		t.Fatal(err)
	}
	return all.String(), rows
}

func TestUploadsAreKeptByteForByte(t *testing.T) {
	t.Run("in several blocks, with every row in its place", func(t *testing.T) {
		var b strings.Builder
		b.WriteString("Id,Name\n")
		const rows = 25_000
		for i := range rows {
			fmt.Fprintf(&b, "%d,\"line %d\nof a value %s\"\n", i, i, strings.Repeat("x", i%40))
		}
		u, err := readUpload(strings.NewReader(b.String()), ',', 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		all, lines := content(t, u)
		if all != b.String() || len(lines) != rows || u.Rows != rows || len(u.blocks) < 3 {
			t.Fatalf("%d bytes of %d, %d rows, %d blocks", len(all), b.Len(), len(lines), len(u.blocks))
		}
		for _, at := range []int{0, 199, 200, 9_999, 10_000, rows - 1} {
			var got string
			if err := u.rows(at, at+1, func(n int, line string) bool { got = fmt.Sprint(n, line); return true }); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprint(at, lines[at]); got != want || !strings.HasPrefix(lines[at], fmt.Sprint(at)+",") {
				t.Errorf("row %d is %q", at, got)
			}
		}
	})
	t.Run("blank lines are kept but are no rows", func(t *testing.T) {
		const text = "Id\n\na\n\n\nb\n\n"
		u, err := readUpload(strings.NewReader(text), ',', 100)
		if err != nil {
			t.Fatal(err)
		}
		if all, rows := content(t, u); all != text || len(rows) != 2 {
			t.Errorf("got %q, %q", all, rows)
		}
	})
	t.Run("above the limit it is refused", func(t *testing.T) {
		if _, err := readUpload(strings.NewReader("Id\na\n"), ',', 4); !errors.Is(err, errTooLarge) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a body that breaks off is refused", func(t *testing.T) {
		body := io.MultiReader(strings.NewReader("Id\na"), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := readUpload(body, ',', 100); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
	})
}

// Whatever is written as CSV comes back, however the bytes are cut on their way.
func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cell := rapid.StringOf(rapid.SampledFrom([]rune("ab,\"\n\r é")))
		columns := rapid.IntRange(1, 4).Draw(rt, "columns")
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, columns, columns), 1, 30).Draw(rt, "rows")
		var b []byte
		for _, r := range rows {
			for i, c := range r {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendQuoted(b, c)
			}
			b = append(b, '\n')
		}
		text := string(b)
		u, err := readUpload(iotest.OneByteReader(strings.NewReader("h\n"+text)), ',', 1<<20)
		if err != nil {
			rt.Fatal(err)
		}
		all, lines := content(t, u)
		if all != "h\n"+text || len(lines) != len(rows) {
			rt.Fatalf("%d rows of %d came back", len(lines), len(rows))
		}
		for i, line := range lines {
			if got := newRowReader(',', columns, 1).read(line); got.Error != nil || !slices.Equal(got.Cells, rows[i]) {
				rt.Fatalf("row %d: %q became %q (%s)", i, rows[i], got.Cells, got.Error)
			}
		}
	})
}

func FuzzUploadNeverLosesAByte(f *testing.F) {
	for _, seed := range []string{"", "a", "a\n", "a,b\r\n1,2\r\n", "a\n\"x\ny\",\n", "a\n\"", "\n\n", "a\n\"x\" ,\"y\"\nz", "\xff\n\x00\n"} {
		f.Add(seed, byte(','))
	}
	f.Fuzz(func(t *testing.T, text string, delimiter byte) {
		if delimiter == '"' || delimiter == '\n' || delimiter == '\r' {
			return // no delimiter of the API
		}
		u, err := readUpload(iotest.HalfReader(strings.NewReader(text)), delimiter, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		all, rows := content(t, u)
		if all != text || len(rows) != u.Rows {
			t.Fatalf("%q came back as %q with %d rows of %d", text, all, len(rows), u.Rows)
		}
		for _, line := range rows {
			if r := newRowReader(delimiter, 3, 1).read(line); len(r.Cells) != 3 {
				t.Fatalf("row %q has %d cells", line, len(r.Cells))
			}
		}
	})
}
