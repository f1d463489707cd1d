package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"bulkhead/libs/pipeline"
)

func flat(string) bool { return false }

func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func know(t *testing.T, path string, how Reading) (*knowledge, error) {
	t.Helper()
	src, err := openSource(t.Context(), path, strings.NewReader(""))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = src.Close() })
	return inspect(t.Context(), src, how, flat, func(int64) {})
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t *testing.T, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll([]byte(text), nil)
}

const text = "id,name\n1,\"a\nb\"\n\n2,c\n"

func TestInspect(t *testing.T) {
	sum := sha256.Sum256([]byte(text))
	plain := hex.EncodeToString(sum[:])
	for name, content := range map[string][]byte{
		"a.csv": []byte(text), "a.csv.gz": gzipped(t, text), "a.csv.zst": zstded(t, text), "packed-without-a-name": gzipped(t, text),
		"two-members.gz": append(gzipped(t, text[:10]), gzipped(t, text[10:])...),
	} {
		t.Run(name+" is known by its content", func(t *testing.T) {
			k, err := know(t, file(t, name, content), Reading{})
			if err != nil {
				t.Fatal(err)
			}
			if k.digest != plain || k.rows != 2 || k.first != 2 || k.last != 5 || k.Format != FormatCSV || k.Delimiter != ',' {
				t.Errorf("%+v", k)
			}
		})
	}
	t.Run("a byte order mark is no part of the first name", func(t *testing.T) {
		k, err := know(t, file(t, "a.csv", append(bomUTF8, text...)), Reading{})
		if err != nil || k.names[0] != "id" || k.first != 2 {
			t.Errorf("%+v %v", k, err)
		}
	})
	t.Run("what changes the rows changes the digest", func(t *testing.T) {
		seen := map[string]bool{}
		for _, how := range []Reading{{}, {EmptyNull: true}, {Delimiter: ';'}, {Header: []string{"x"}, Delimiter: ';'}, {Format: FormatNDJSON}} {
			k, err := know(t, file(t, "a.csv", []byte(text)), how)
			if err != nil {
				t.Fatal(err)
			}
			seen[k.digest] = true
		}
		if len(seen) != 5 {
			t.Errorf("%d digests for 5 ways to read", len(seen))
		}
	})
	t.Run("what is said and would have been found out does not", func(t *testing.T) {
		for _, c := range []struct {
			name, content string
			how           Reading
		}{
			{"a.csv", text, Reading{Delimiter: ','}},
			{"a.csv", text, Reading{Format: FormatCSV}},
			{"a", text, Reading{Format: FormatCSV, Delimiter: ','}},
			{"a.csv", "a;b\n1;2\n", Reading{Format: FormatCSV, Delimiter: ';'}},
			{"a.csv", "a\n1\n", Reading{Delimiter: ','}},
			{"a.ndjson", "{}\n", Reading{Format: FormatNDJSON}},
			{"a", "{}\n", Reading{Format: FormatNDJSON}},
		} {
			k, err := know(t, file(t, c.name, []byte(c.content)), c.how)
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256([]byte(c.content)); k.digest != hex.EncodeToString(sum[:]) {
				t.Errorf("%s read as %+v: digest %s", c.name, c.how, k.digest)
			}
		}
	})
	t.Run("of two things that are said the one that would have been found out does not name the file", func(t *testing.T) {
		path := file(t, "a.csv", []byte(text))
		for _, c := range [][2]Reading{
			{{Header: []string{"x", "y"}}, {Header: []string{"x", "y"}, Delimiter: ',', Format: FormatCSV}},
			{{EmptyNull: true}, {EmptyNull: true, Delimiter: ','}},
			{{Delimiter: ';'}, {Delimiter: ';', Format: FormatCSV}},
		} {
			one, err := know(t, path, c[0])
			if err != nil {
				t.Fatal(err)
			}
			two, err := know(t, path, c[1])
			if err != nil || one.digest != two.digest || one.digest == plain {
				t.Errorf("%+v and %+v: %s and %s, %v", c[0], c[1], one.digest, two.digest, err)
			}
		}
	})
	t.Run("the digests of files that are told how to be read are those of the releases before", func(t *testing.T) {
		path := file(t, "a.csv", []byte(text))
		for said, how := range map[string]Reading{
			"empty-null": {EmptyNull: true}, "delimiter ;": {Delimiter: ';'}, "header x\x00y": {Header: []string{"x", "y"}}, "format ndjson": {Format: FormatNDJSON},
		} {
			k, err := know(t, path, how)
			if want := sha256.Sum256([]byte(plain + "\n" + said)); err != nil || k.digest != hex.EncodeToString(want[:]) {
				t.Errorf("%q: %+v, %v", said, k, err)
			}
		}
	})
	t.Run("options of CSV are refused for a file that is found out to be JSON", func(t *testing.T) {
		for _, how := range []Reading{{Delimiter: ','}, {Header: []string{"x"}}, {EmptyNull: true}} {
			var use *UsageError
			if _, err := know(t, file(t, "a.ndjson", []byte("{}\n")), how); !errors.As(err, &use) || !strings.Contains(err.Error(), "--format csv") {
				t.Errorf("%+v: %v", how, err)
			}
		}
	})
	for name, c := range map[string]struct{ name, content, format, delimiter string }{
		"semicolons":                      {"a.csv", "a;b;c,d\n1;2;3\n", FormatCSV, ";"},
		"tabs":                            {"a.tsv", "a\tb\n", FormatCSV, "\t"},
		"pipes":                           {"a.csv", "a|b\n1|2,3,4\n", FormatCSV, "|"},
		"delimiters in quotes count not":  {"a.csv", "\"a,b,c\";d\n", FormatCSV, ";"},
		"one column":                      {"a.csv", "a\n1\n", FormatCSV, ","},
		"one column behind empty lines":   {"a.csv", "\n\na;b\n1;2\n", FormatCSV, ";"},
		"NDJSON by its name":              {"a.ndjson", "{}\n", FormatNDJSON, "\x00"},
		"NDJSON by its first character":   {"a", " {\"a\":1}\n", FormatNDJSON, "\x00"},
		"CSV by its name":                 {"a.csv", "{a},b\n1,2\n", FormatCSV, ","},
		"CSV where nothing else is known": {"a", "a,b\n1,2\n", FormatCSV, ","},
	} {
		t.Run("found out: "+name, func(t *testing.T) {
			k, err := know(t, file(t, c.name, []byte(c.content)), Reading{})
			if strings.HasPrefix(name, "tabs") || strings.HasPrefix(name, "delimiters") {
				if err == nil {
					t.Fatal("a header without rows was taken")
				}
				return
			}
			if err != nil || k.Format != c.format || k.Delimiter != c.delimiter[0] {
				t.Errorf("%+v %v", k, err)
			}
		})
	}
	if d := detectDelimiter([]byte("\"a,b,c\";d\n")); d != ';' {
		t.Errorf("delimiters in quotes: %q", d)
	}
	if d := detectDelimiter([]byte("a\tb\n")); d != '\t' {
		t.Errorf("tabs: %q", d)
	}
	for name, c := range map[string]struct {
		name    string
		content []byte
		how     Reading
		says    string
	}{
		"an empty file":                   {"a.csv", nil, Reading{}, "is empty"},
		"a header alone":                  {"a.csv", []byte("a,b\n"), Reading{}, "no rows"},
		"a header with a nameless column": {"a.csv", []byte("a,,b\n1,2,3\n"), Reading{}, "column 2 has no name"},
		"a header with a name twice":      {"a.csv", []byte("a,b,a\n"), Reading{}, `two columns have the name "a"`},
		"a header that is no UTF-8":       {"a.csv", []byte("a,\xfcb\n"), Reading{}, "iconv"},
		"a header with a stray quote":     {"a.csv", []byte("a,b\"\n"), Reading{}, "line 1"},
		"a quote that is never closed":    {"a.csv", []byte("a,b\n1,2\n\"3,4\n"), Reading{}, "line 3"},
		"binary data":                     {"a.csv", []byte("a,b\x00\n"), Reading{}, "no text"},
		"UTF-16":                          {"a.csv", []byte("\xff\xfea\x00"), Reading{}, "UTF-16"},
		"a spreadsheet":                   {"a.xlsx", []byte("PK\x03\x04"), Reading{}, "spreadsheet"},
		"a JSON array":                    {"a.json", []byte("[{}]"), Reading{}, "jq"},
		"a gzip file that is cut off":     {"a.csv.gz", gzipped(t, strings.Repeat(text, 99))[:40], Reading{}, "cut off"},
		"a gzip file that is none":        {"a.csv.gz", append([]byte{0x1f, 0x8b}, "nonsense nonsense"...), Reading{}, "gzip"},
		"a zstd file that is damaged":     {"a.csv.zst", append(zstded(t, text)[:12], "nonsense"...), Reading{}, "zstd"},
		"binary data inside a gzip file":  {"a.csv.gz", gzipped(t, "a\x00b"), Reading{}, "no text"},
		"a quote that the file ends with": {"a.csv", []byte("a\n\"x"), Reading{}, "not closed"},
	} {
		t.Run(name+" is refused in words", func(t *testing.T) {
			_, err := know(t, file(t, c.name, c.content), c.how)
			var use *UsageError
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, want something about %q", err, c.says)
			}
			if !errors.As(err, &use) {
				t.Errorf("%v is no error of usage", err)
			}
		})
	}
	t.Run("a directory, a file that is not there", func(t *testing.T) {
		for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
			var use *UsageError
			if _, err := know(t, path, Reading{}); !errors.As(err, &use) {
				t.Errorf("%v", err)
			}
		}
	})
	t.Run("standard input is read like a file", func(t *testing.T) {
		src, err := openSource(t.Context(), "-", bytes.NewReader(zstded(t, text)))
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		k, err := inspect(t.Context(), src, Reading{}, flat, func(int64) {})
		if err != nil || k.digest != plain {
			t.Errorf("%+v %v", k, err)
		}
	})
	t.Run("standard input that is no text is refused before it is copied", func(t *testing.T) {
		endless := &endless{}
		if _, err := openSource(t.Context(), "-", endless); err == nil || endless.read > 1<<20 {
			t.Errorf("%v after %d bytes", err, endless.read)
		}
	})
	t.Run("an interrupt ends the reading", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		src, err := openSource(ctx, file(t, "a.csv", []byte(text)), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		cancel()
		if _, err := inspect(ctx, src, Reading{}, flat, func(int64) {}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	e.read += len(p)
	return len(p), nil
}

func TestColumns(t *testing.T) {
	parse := func(change ...string) members {
		yaml := `apiVersion: bulkhead/v1
kind: Pipeline
name: contacts
org: main
object: Contact
operation: upsert
externalId: External_Id__c
key: [event]
unknownMembers: reject
map:
  - {from: id, to: External_Id__c, type: string, required: true}
  - {from: last, to: LastName, type: string, required: true}
  - {from: a.b, to: Email, type: string}
`
		d, _, err := pipeline.ParseDefinition([]byte(strings.NewReplacer(change...).Replace(yaml)))
		if err != nil {
			t.Fatal(err)
		}
		return membersOf(d)
	}
	for name, c := range map[string]struct {
		m       members
		columns string
		says    string // an error; "" = none
		notes   int
	}{
		"all that is needed":                           {parse(), "event,id,last,a.b", "", 0},
		"an optional member may lack, and is told":     {parse(), "event,id,last", "", 1},
		"an unknown column is refused":                 {parse(), "event,id,last,zzz", `"zzz"`, 0},
		"an unknown column is told where ignored":      {parse("unknownMembers: reject", "unknownMembers: ignore"), "event,id,last,a.b,zzz", "", 1},
		"without the key member nothing has a key":     {parse(), "id,last", "event: it names the event", 0},
		"without the key field no row can be meant":    {parse(), "event,last", "id: without it", 0},
		"without a required member all are refused":    {parse(), "event,id", "last: the definition requires it", 0},
		"names are compared as they are, case and all": {parse(), "event,ID,last", `"ID"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			notes, err := c.m.check("file", strings.Split(c.columns, ","))
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) || len(notes) != c.notes {
				t.Errorf("%v, notes %q", err, notes)
			}
		})
	}
	if m := parse(); !m.nested("a.b") || m.nested("id") || m.nested("x.y") {
		t.Error("nested members are not told from others")
	}
}
