package load

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// read reads all rows: cells, or in place of them what is wrong.
func read(t testing.TB, text string, delim byte, most int) (rows [][]string, lines []int64, err error) {
	t.Helper()
	c := newCSV(bufio.NewReaderSize(strings.NewReader(text), 16), "file", delim, most)
	for {
		row, err := c.next()
		if errors.Is(err, io.EOF) {
			return rows, lines, nil
		}
		if err != nil {
			return rows, lines, err
		}
		got := []string{}
		for i := range row.len() {
			got = append(got, string(row.at(i)))
		}
		if row.defect != "" {
			got = []string{"!" + row.defect}
		}
		rows, lines = append(rows, got), append(lines, row.line)
	}
}

func TestCSV(t *testing.T) {
	const (
		bare   = "!a quote stands inside a cell that does not begin with one: enclose the cell in quotes and double the quotes inside"
		alone  = "!a carriage return stands alone outside of quotes: end rows with LF or CRLF"
		behind = `!"x" follows a quote that closes a cell: double the quotes inside of cells`
	)
	for name, c := range map[string]struct {
		text  string
		want  [][]string
		lines []int64
	}{
		"plain rows":                             {"a,b\nc,d\n", [][]string{{"a", "b"}, {"c", "d"}}, []int64{1, 2}},
		"a last row without a line end":          {"a,b\nc,d", [][]string{{"a", "b"}, {"c", "d"}}, []int64{1, 2}},
		"CRLF ends rows":                         {"a,b\r\nc,d\r\n", [][]string{{"a", "b"}, {"c", "d"}}, []int64{1, 2}},
		"empty cells, the last one too":          {",\n,,\n", [][]string{{"", ""}, {"", "", ""}}, []int64{1, 2}},
		"an empty line is no row":                {"\n\r\na\n\n\nb\n", [][]string{{"a"}, {"b"}}, []int64{3, 6}},
		"an empty quoted cell is a row":          {"\"\"\n", [][]string{{""}}, []int64{1}},
		"delimiters and quotes inside quotes":    {"\"a,\"\"b\"\"\",c\n", [][]string{{`a,"b"`, "c"}}, []int64{1}},
		"line ends inside quotes stay":           {"\"a\nb\r\nc\rd\",e\nf,g\n", [][]string{{"a\nb\r\nc\rd", "e"}, {"f", "g"}}, []int64{1, 4}},
		"blanks stay":                            {" a , b\n", [][]string{{" a ", " b"}}, []int64{1}},
		"a quoted cell at the end of the file":   {"a,\"b\"", [][]string{{"a", "b"}}, []int64{1}},
		"a quoted cell before a lone return":     {"a,\"b\"\r", [][]string{{"a", "b"}}, []int64{1}},
		"a return that ends the file":            {"a,b\r", [][]string{{"a", "b"}}, []int64{1}},
		"a quote in a cell spoils its row alone": {"a,b\n5\" x,c\nd,e\n", [][]string{{"a", "b"}, {bare}, {"d", "e"}}, []int64{1, 2, 3}},
		"text behind a quote spoils its row":     {"\"a\"x,b\nd,e\n", [][]string{{behind}, {"d", "e"}}, []int64{1, 2}},
		"a return inside a cell spoils its row": {
			"a\rb\nc\n",
			[][]string{{alone}, {"c"}},
			[]int64{1, 2},
		},
		"a return behind a quoted cell spoils its row":                 {"1,\"a\"\r,\"b\"\nc,d\n", [][]string{{alone}, {"c", "d"}}, []int64{1, 2}},
		"a return behind a quoted cell spoils its row up to its CRLF":  {"\"a\"\rb\r\nc,d\r\n", [][]string{{alone}, {"c", "d"}}, []int64{1, 2}},
		"a return behind a quoted cell spoils all where no other ends": {"\"a\",\"b\"\r\"c\",\"d\"\r", [][]string{{alone}}, []int64{1}},
		"what is wrong further down says its line":                     {"\"a\nb\"x\nc\n", [][]string{{"!line 2: " + behind[1:]}, {"c"}}, []int64{1, 3}},
		"a row above the bound is read to its end": {
			"\"" + strings.Repeat("x", 50) + "\n\",b\nc,d\n",
			[][]string{{"!the row has more than 40 bytes"}, {"c", "d"}},
			[]int64{1, 3},
		},
		"bytes that are no text are kept": {"\xff\xfe,\x01\n", [][]string{{"\xff\xfe", "\x01"}}, []int64{1}},
	} {
		t.Run(name, func(t *testing.T) {
			rows, lines, err := read(t, c.text, ',', 40)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(rows) != fmt.Sprint(c.want) || !slices.Equal(lines, c.lines) {
				t.Errorf("%q at %v\nwant %q at %v", rows, lines, c.want, c.lines)
			}
		})
	}
	t.Run("a quote that is never closed is about the whole file, and says where it opens", func(t *testing.T) {
		rows, _, err := read(t, "a,b\nc,\"d\ne,f\n", ',', 40)
		var broken *BrokenError
		if !errors.As(err, &broken) || broken.Line != 2 || len(rows) != 1 {
			t.Errorf("%v after %d rows", err, len(rows))
		}
	})
	t.Run("what a writer of CSV writes comes back, with the line of each row", rapid.MakeCheck(func(t *rapid.T) {
		delim := rapid.SampledFrom([]byte(delimiters+"^")).Draw(t, "delimiter")
		cell := rapid.StringOf(rapid.SampledFrom([]rune("ab,;\t|^\"\n\r é\u2028")))
		want := rapid.SliceOfN(rapid.SliceOfN(cell, 2, 4), 1, 10).Draw(t, "rows")
		var text strings.Builder
		var at []int64
		line := int64(1)
		for _, row := range want {
			for range rapid.IntRange(0, 2).Draw(t, "empty lines") {
				text.WriteString("\n")
				line++
			}
			at = append(at, line)
			for i, c := range row {
				if i > 0 {
					text.WriteByte(delim)
				}
				if rapid.Bool().Draw(t, "quoted") || strings.ContainsAny(c, "\"\r\n"+string(delim)) {
					c = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
				}
				text.WriteString(c)
			}
			end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end")
			text.WriteString(end)
			line = 1 + int64(strings.Count(text.String(), "\n"))
		}
		c := newCSV(bufio.NewReaderSize(strings.NewReader(text.String()), 16), "file", delim, 1<<20)
		for i, w := range want {
			row, err := c.next()
			if err != nil || row.defect != "" || row.line != at[i] || row.len() != len(w) {
				t.Fatalf("row %d: %v %q at line %d with %d cells, want line %d with %d\n%q", i, err, row.defect, row.line, row.len(), at[i], len(w), text.String())
			}
			for j := range w {
				if string(row.at(j)) != w[j] {
					t.Fatalf("row %d, cell %d: %q, want %q", i, j, row.at(j), w[j])
				}
			}
		}
		if _, err := c.next(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}))
}

func TestDelimiters(t *testing.T) {
	for text, want := range map[string]byte{
		",": ',', "^": '^', "\\": '\\', "x": 'x', " ": ' ', "\t": '\t', "\x01": 1, "\x1f": 0x1f, "\x7f": 0x7f, `\t`: '\t', "Tab": '\t', "comma": ',', "semicolon": ';',
		"pipe": '|', "space": ' ', `\x01`: 1, `\x1F`: 0x1f, `\u001f`: 0x1f, `\x2c`: ',',
	} {
		t.Run(fmt.Sprintf("%q is one", text), func(t *testing.T) {
			if got, err := ParseDelimiter(text); err != nil || got != want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	for _, text := range []string{"", ",,", "\"", "\r", "\n", "\x00", "§", "¦", `\x22`, `\x0a`, `\x0d`, `\x00`, `\xa7`, `\u00a7`, `\u2028`, `\x1`, `\x001`, `\xgg`, `\n`} {
		t.Run(fmt.Sprintf("%q is none, and the refusal says what is one", text), func(t *testing.T) {
			var use *UsageError
			if _, err := ParseDelimiter(text); !errors.As(err, &use) || !strings.Contains(err.Error(), "one ASCII character") {
				t.Error(err)
			}
		})
	}
	for _, delim := range []byte{1, 0x1f, 0x7f, '\\'} {
		t.Run(fmt.Sprintf("rows are read whose cells %q separates", delim), func(t *testing.T) {
			rows, _, err := read(t, fmt.Sprintf("a%cb,c\n\"d%ce\"%cf\n", delim, delim, delim), delim, 40)
			if want := [][]string{{"a", "b,c"}, {"d" + string(rune(delim)) + "e", "f"}}; err != nil || fmt.Sprint(rows) != fmt.Sprint(want) {
				t.Errorf("%q, %v", rows, err)
			}
		})
	}
}

// FuzzCSV holds the reader to the standard library's where both take a file, and to its promises everywhere else.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "\"a\nb\",c\r\n", "\"\"\"\",\n", "a\rb\n", "\"a\"b\n\"", ",\"\n", "\r\n\r", "a,\"b\"\r", "\"a\"\rb,\"c\"\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, lines, err := read(t, text, ',', 100)
		if broken := (*BrokenError)(nil); err != nil && !errors.As(err, &broken) { // the end of the file is none here
			t.Fatalf("%v: a text has rows, or a quote that is never closed, and nothing else can be wrong with it", err)
		}
		physical := int64(strings.Count(text, "\n")) + 1
		last := int64(0)
		for i, l := range lines {
			if l <= last || l > physical {
				t.Fatalf("row %d is on line %d, the one before on %d, of %d", i, l, last, physical)
			}
			last = l
		}
		if strings.Contains(text, "\r") || len(text) > 100 {
			return // the standard library changes returns; rows above the bound are refused
		}
		std := csv.NewReader(strings.NewReader(text))
		std.FieldsPerRecord = -1
		want, stdErr := std.ReadAll()
		if stdErr != nil {
			return
		}
		if err != nil {
			t.Fatalf("%v, the standard library reads %q", err, want)
		}
		if fmt.Sprintf("%q", rows) != fmt.Sprintf("%q", want) {
			t.Fatalf("%q, the standard library reads %q", rows, want)
		}
	})
}

// FuzzObjects holds the rows of any CSV file to being JSON objects with the file's cells in them.
func FuzzObjects(f *testing.F) {
	f.Add("1,2\n\"a\"\"b\n\",\n", true)
	f.Add("\x01\t,\u2028é\n", false)
	f.Fuzz(func(t *testing.T, text string, emptyNull bool) {
		c := newCSV(bufio.NewReader(strings.NewReader(text)), "file", ',', 1000)
		o := newObjects(c, []string{"a.b", `"`}, func(s string) bool { return s == "a.b" }, emptyNull)
		for {
			r, err := o.next()
			if broken := (*BrokenError)(nil); errors.Is(err, io.EOF) || errors.As(err, &broken) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.refused != "" {
				continue
			}
			var got map[string]any
			if err := json.Unmarshal(r.body, &got); err != nil {
				t.Fatalf("%q: %v", r.body, err)
			}
		}
	})
}

func TestObjects(t *testing.T) {
	object := func(t *testing.T, header, line string, nested []string, emptyNull bool) string {
		t.Helper()
		c := newCSV(bufio.NewReader(strings.NewReader(line)), "file", ',', 1000)
		o := newObjects(c, strings.Split(header, ","), func(s string) bool { return slices.Contains(nested, s) }, emptyNull)
		r, err := o.next()
		if err != nil {
			t.Fatal(err)
		}
		if r.refused != "" {
			return r.refused
		}
		return string(r.body)
	}
	for name, c := range map[string]struct {
		header, line string
		nested       []string
		null         bool
		want         string
	}{
		"every cell is a string":                           {"a,b", "1,true", nil, false, `{"a":"1","b":"true"}`},
		"an empty cell is an absent member":                {"a,b,c", ",x,", nil, false, `{"b":"x"}`},
		"an empty cell is null when that is wanted":        {"a,b", ",x", nil, true, `{"a":null,"b":"x"}`},
		"a row of empty cells is an object without member": {"a,b", ",", nil, false, `{}`},
		"a path of the definition is a nested member":      {"a.b,c,a.d.e", "1,2,3", []string{"a.b", "a.d.e"}, false, `{"a":{"b":"1","d":{"e":"3"}},"c":"2"}`},
		"a nested object without members is absent":        {"a.b,c", ",2", []string{"a.b"}, false, `{"c":"2"}`},
		"another name with a dot is a name":                {"a.b", "1", nil, false, `{"a.b":"1"}`},
		"what JSON escapes is escaped":                     {`a`, "\"\"\"\\\n\r\t\x01é\u2028\"", nil, false, "{\"a\":\"\\\"\\\\\\n\\r\\t\\u0001é\u2028\"}"},
		"bytes that are no UTF-8 go as they are":           {"a", "\xff", nil, false, "{\"a\":\"\xff\"}"},
		"too few cells":                                    {"a,b", "1", nil, false, "the row has 1 cells, the header 2"},
		"too many cells":                                   {"a", "1,2", nil, false, "the row has 2 cells, the header 1"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := object(t, c.header, c.line, c.nested, c.null); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestNDJSON(t *testing.T) {
	l := &lineReader{r: bufio.NewReaderSize(strings.NewReader("{1}\r\n\n \t\n{2}\n"+strings.Repeat("x", 30)+"\n"+strings.Repeat("y", 20)+"\r\n{3}"), 16), most: 20}
	var got bytes.Buffer
	for {
		r, err := l.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%d:%s%s|", r.line, r.body, r.refused)
	}
	want := "1:{1}|4:{2}|5:the record has more than 20 bytes|6:" + strings.Repeat("y", 20) + "|7:{3}|"
	if got.String() != want {
		t.Errorf("%s, want %s", got.String(), want)
	}
}
