package salesforce

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// readAll reads a stream to its end and keeps copies of the records.
func readAll(r *csvReader) ([][]string, error) {
	var records [][]string
	for {
		cells, err := r.next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		records = append(records, texts(cells))
	}
}

func texts(cells [][]byte) []string {
	out := make([]string, len(cells))
	for i, cell := range cells {
		out[i] = string(cell)
	}
	return out
}

func TestCSVRecords(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want     [][]string
		err      error
	}{
		{"plain cells", "a,b\n1,2\n", [][]string{{"a", "b"}, {"1", "2"}}, nil},
		{"quoted cells", "\"a\",\"b\"\n", [][]string{{"a", "b"}}, nil},
		{"doubled quotes", "\"a \"\"b\"\"\",\"\"\"\"\n", [][]string{{`a "b"`, `"`}}, nil},
		{"commas inside quotes", "\"a,b\",c\n", [][]string{{"a,b", "c"}}, nil},
		{"line breaks inside quotes stay as they are", "\"a\nb\r\nc\rd\",e\n", [][]string{{"a\nb\r\nc\rd", "e"}}, nil},
		{"CRLF line ends", "a,\"b\"\r\nc,d\r\n", [][]string{{"a", "b"}, {"c", "d"}}, nil},
		{"a lone carriage return is a value", "a\rb,c\n", [][]string{{"a\rb", "c"}}, nil},
		{"empty cells", ",\n\"\",\"\"\n", [][]string{{"", ""}, {"", ""}}, nil},
		{"an empty line is one empty cell", "a\n\nb\n", [][]string{{"a"}, {""}, {"b"}}, nil},
		{"spaces are kept", " a , b \n", [][]string{{" a ", " b "}}, nil},
		{"no last line end", "a,b\n1,2", [][]string{{"a", "b"}, {"1", "2"}}, nil},
		{"no last line end after quotes", "a\n\"1\"", [][]string{{"a"}, {"1"}}, nil},
		{"a byte order mark", "\xef\xbb\xbfa,b\n", [][]string{{"a", "b"}}, nil},
		{"letters of all kinds", "Zoë,\"日本\",😀\n", [][]string{{"Zoë", "日本", "😀"}}, nil},
		{"nothing", "", nil, nil},
		{"only a byte order mark", "\xef\xbb\xbf", nil, nil},
		{"an end inside quotes", "a\n\"1", [][]string{{"a"}}, ErrTruncated},
		{"an end after an escaped quote", "\"a\"\"", nil, ErrTruncated},
		{"an end inside a line end", "\"a\"\r", nil, ErrTruncated},
		{"an end inside a character", "a\nZo\xc3", [][]string{{"a"}}, ErrTruncated},
		{"text after a closing quote", "\"a\"b\n", nil, ErrMalformed},
		{"a carriage return after a closing quote", "\"a\"\rb\n", nil, ErrMalformed},
		{"a quote inside a plain cell", "a\"b\n", nil, ErrMalformed},
		{"a NUL", "a\x00b\n", nil, ErrMalformed},
		{"a byte that is no UTF-8", "a\xffb\n", nil, ErrMalformed},
		{"half a character before a comma", "\xc3,\xa9\n", nil, ErrMalformed},
		{"a record beyond its bound", "\"" + strings.Repeat("x", 2000) + "\"\n", nil, ErrTooLarge},
		{"a record of many cells beyond its bound", strings.Repeat("xxxxxxxxx,", 200) + "\n", nil, ErrTooLarge},
	} {
		for reading, wrap := range map[string]func(io.Reader) io.Reader{
			"": func(r io.Reader) io.Reader { return r }, " byte by byte": iotest.OneByteReader, " with data beside the end": iotest.DataErrReader,
		} {
			t.Run(test.name+reading, func(t *testing.T) {
				got, err := readAll(newCSVReader(wrap(strings.NewReader(test.in)), 1000))
				if !errors.Is(err, test.err) || !reflect.DeepEqual(got, test.want) {
					t.Errorf("got %q, %v\nwant %q, %v", got, err, test.want, test.err)
				}
			})
		}
	}
	t.Run("an error of the source is passed on, wherever it comes", func(t *testing.T) {
		lost := errors.New("connection reset")
		for _, start := range []string{"", "a", "a,", "\"a", "\"a\"", "\"a\"\r", "a\n"} {
			_, err := readAll(newCSVReader(io.MultiReader(strings.NewReader(start), iotest.ErrReader(lost)), 1000))
			if !errors.Is(err, lost) || errors.Is(err, ErrTruncated) {
				t.Errorf("after %q: %v", start, err)
			}
		}
	})
	t.Run("a source that never gives anything ends in an error", func(t *testing.T) {
		if _, err := readAll(newCSVReader(silent{}, 1000)); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("errors name the line where the record begins", func(t *testing.T) {
		_, err := readAll(newCSVReader(strings.NewReader("a,b\n\"x\ny\",1\nz\"z,1\n"), 1000))
		if err == nil || !strings.Contains(err.Error(), "line 4") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("errors repeat no values", func(t *testing.T) {
		for _, in := range []string{"canary\"x\n", "\"canary\"x\n", "\"canary", "canary\x00\n"} {
			if _, err := readAll(newCSVReader(strings.NewReader(in), 1000)); err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%q: %v", in, err)
			}
		}
	})
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// genRecords draws records of one width, of cells that are hard to write.
func genRecords(t *rapid.T) [][]string {
	width := rapid.IntRange(1, 5).Draw(t, "width")
	cell := rapid.OneOf(
		rapid.StringOf(rapid.RuneFrom([]rune("ab \",\n\r;é日😀'#"))),
		rapid.Just(""), rapid.Just("\r\n"), rapid.Just(strings.Repeat("x\"", 40)),
	)
	return rapid.SliceOfN(rapid.SliceOfN(cell, width, width), 1, 8).Draw(t, "records")
}

// writeCSVRecords writes records, quoting where it must or as drawn.
func writeCSVRecords(t *rapid.T, records [][]string) (text string, ends []int) {
	var b strings.Builder
	lineEnd := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "lineEnd")
	for _, record := range records {
		for i, cell := range record {
			if i > 0 {
				b.WriteByte(',')
			}
			// A plain cell that ends in \r before \n would read as CRLF, and a first plain cell may look like a byte order mark's rest: quote.
			if strings.ContainsAny(cell, "\",\n\r") || rapid.Bool().Draw(t, "quote") {
				b.WriteString(`"` + strings.ReplaceAll(cell, `"`, `""`) + `"`)
			} else {
				b.WriteString(cell)
			}
		}
		b.WriteString(lineEnd)
		ends = append(ends, b.Len())
	}
	return b.String(), ends
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := genRecords(t)
		text, _ := writeCSVRecords(t, records)
		pieces := &pieceReader{text: text, sizes: rapid.SliceOfN(rapid.IntRange(1, 7), 1, 20).Draw(t, "pieces")}
		got, err := readAll(newCSVReader(pieces, 1<<20))
		if err != nil || !reflect.DeepEqual(got, records) {
			t.Fatalf("got %q, %v\nwant %q", got, err, records)
		}
	})
}

func TestACutFileNeverReadsAsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := genRecords(t)
		text, ends := writeCSVRecords(t, records)
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		r := newCSVReader(strings.NewReader(text[:cut]), 1<<20)
		var got [][]string
		for {
			cells, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				if !errors.Is(err, ErrTruncated) {
					t.Fatalf("a cut was reported as %v", err)
				}
				return
			}
			if r.bareEnd {
				return // the result reader decides by the framing whether that is an end
			}
			got = append(got, texts(cells))
		}
		whole := 0
		for _, end := range ends {
			if end <= cut {
				whole++
			}
		}
		if len(got) != whole || (cut != 0 && cut != ends[max(whole-1, 0)]) {
			t.Fatalf("%q cut at %d read as %d whole records", text, cut, len(got))
		}
	})
}

// pieceReader gives a text in pieces of the sizes named, over and over.
type pieceReader struct {
	text  string
	sizes []int
	n     int
}

func (r *pieceReader) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	size := min(r.sizes[r.n%len(r.sizes)], len(r.text), len(p))
	r.n++
	copy(p, r.text[:size])
	r.text = r.text[size:]
	return size, nil
}

func FuzzResultFile(f *testing.F) {
	for _, seed := range []string{
		"\"sf__Id\",\"sf__Created\",Name\n\"001000000000001AAA\",\"true\",\"x\"\n", "\"sf__Id\",\"sf__Error\",Name\n\"\",\"A:b:--\",\"x\ny\"\n",
		"Name\nx\n", "", "\n", "\"", "\xef\xbb\xbf", "sf__Id,sf__Created\r\n,", "a,a\n",
	} {
		f.Add(seed, uint8(1), true)
		f.Add(seed, uint8(2), false)
		f.Add(seed, uint8(3), true)
	}
	f.Fuzz(func(t *testing.T, text string, kind uint8, framed bool) {
		r := &ResultReader{kind: ResultKind(kind%3 + 1), framed: framed, csv: newCSVReader(strings.NewReader(text), 1<<16), body: &guardedBody{}}
		if err := r.readHeader(); err != nil {
			if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for {
			row, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
					t.Fatalf("%q: %v", text, err)
				}
				if _, again := r.Next(); !errors.Is(again, err) && again.Error() != err.Error() {
					t.Fatalf("%q: an error was not final: %v, then %v", text, err, again)
				}
				return
			}
			if len(row.Cells) != len(r.Header()) {
				t.Fatalf("%q: %d cells under %d names", text, len(row.Cells), len(r.Header()))
			}
			for _, cell := range row.Cells {
				if !utf8.ValidString(cell) || strings.ContainsRune(cell, 0) {
					t.Fatalf("%q: cell %q", text, cell)
				}
			}
		}
	})
}

func BenchmarkCSVReader(b *testing.B) {
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "\"003000000%06dAAA\",\"true\",\"ext-%d\",\"First\",\"Last name\",\"first.last.%d@example.test\",\"+1 555 0100\"\n", i, i, i)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		r := newCSVReader(strings.NewReader(text.String()), MaxRecordBytes)
		for {
			if _, err := r.next(); err != nil {
				break
			}
		}
	}
}
