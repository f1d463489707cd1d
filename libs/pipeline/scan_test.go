package pipeline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
)

// tree draws a JSON value: nil, bool, json.Number, string, []any or object.
type object [][2]any // name and value, in their order

func tree(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?`), func(s string) any { return json.Number(s) }),
		rapid.Map(text(), func(s string) any { return s }),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(tree(depth-1), 0, 4), func(l []any) any { return l }),
		rapid.Map(objects(depth-1), func(o object) any { return o }),
	)
}

func text() *rapid.Generator[string] {
	return rapid.Map(rapid.StringN(0, 12, 40), func(s string) string { return strings.ReplaceAll(s, "\x00", "") })
}

func objects(depth int) *rapid.Generator[object] {
	return rapid.Custom(func(t *rapid.T) object {
		var o object
		for _, name := range rapid.SliceOfNDistinct(text(), 0, 5, rapid.ID[string]).Draw(t, "names") {
			o = append(o, [2]any{name, tree(depth).Draw(t, "value")})
		}
		return o
	})
}

// spell writes a value in one of the many ways to write it.
func spell(t *rapid.T, b *strings.Builder, v any) {
	blank := func() { b.WriteString(rapid.SampledFrom([]string{"", "", "", " ", "\n\t", "\r "}).Draw(t, "blank")) }
	blank()
	defer blank()
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case json.Number:
		b.WriteString(string(v))
	case string:
		spellString(t, b, v)
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			spell(t, b, item)
		}
		if len(v) == 0 {
			blank()
		}
		b.WriteByte(']')
	case object:
		b.WriteByte('{')
		for i, m := range rapid.Permutation(v).Draw(t, "order") {
			if i > 0 {
				b.WriteByte(',')
			}
			blank()
			spellString(t, b, m[0].(string))
			blank()
			b.WriteByte(':')
			spell(t, b, m[1])
		}
		if len(v) == 0 {
			blank()
		}
		b.WriteByte('}')
	}
}

func spellString(t *rapid.T, b *strings.Builder, s string) {
	b.WriteByte('"')
	style := rapid.IntRange(0, 2).Draw(t, "style")
	for _, r := range s {
		switch {
		case style == 0 && r == '/':
			b.WriteString(`\/`)
		case style < 2 && r == '\n':
			b.WriteString(`\n`)
		case r < ' ' || r == '"' || r == '\\' || style == 2:
			for _, u := range utf16Of(r) {
				fmt.Fprintf(b, `\u%04`+map[bool]string{true: "x", false: "X"}[r%2 == 0], u)
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

func utf16Of(r rune) []uint16 {
	if r < 0x10000 {
		return []uint16{uint16(r)}
	}
	r -= 0x10000
	return []uint16{uint16(0xd800 + r>>10), uint16(0xdc00 + r&0x3ff)}
}

// plain writes the canonical form in the simplest way there is.
func plain(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			plain(b, item)
		}
		b.WriteByte(']')
	case object:
		sorted := slices.Clone(v)
		slices.SortFunc(sorted, func(a, c [2]any) int { return strings.Compare(a[0].(string), c[0].(string)) })
		b.WriteByte('{')
		for i, m := range sorted {
			if i > 0 {
				b.WriteByte(',')
			}
			plain(b, m[0])
			b.WriteByte(':')
			plain(b, m[1])
		}
		b.WriteByte('}')
	case string:
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		var one bytes.Buffer
		e = json.NewEncoder(&one)
		e.SetEscapeHTML(false)
		_ = e.Encode(v)
		// encoding/json escapes these two for the sake of JavaScript.
		s := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(one.String(), "\n"))
		b.WriteString(s)
	case json.Number:
		b.WriteString(string(v))
	default:
		fmt.Fprint(b, map[any]string{nil: "null", true: "true", false: "false"}[v])
	}
}

func TestCanonical(t *testing.T) {
	t.Run("does not depend on the order of members, on blanks or on escapes", rapid.MakeCheck(func(t *rapid.T) {
		v := tree(3).Draw(t, "document")
		var one, other strings.Builder
		spell(t, &one, v)
		spell(t, &other, v)
		a, hashA, err := pipeline.Canonical([]byte(one.String()))
		if err != nil {
			t.Fatalf("%q: %v", one.String(), err)
		}
		b, hashB, err := pipeline.Canonical([]byte(other.String()))
		if err != nil || !bytes.Equal(a, b) || hashA != hashB || hashA != record.HashContent(a) {
			t.Fatalf("%q and %q: %q and %q, %v", one.String(), other.String(), a, b, err)
		}
		var want bytes.Buffer
		plain(&want, v)
		if !bytes.Equal(a, want.Bytes()) && !strings.Contains(want.String(), `\u2028`) {
			t.Fatalf("%q: got %q, want %q", one.String(), a, want.Bytes())
		}
	}))
	t.Run("tells different contents apart", func(t *testing.T) {
		seen := map[record.Hash]string{}
		for _, doc := range []string{
			`{"a":1}`, `{"a":1.0}`, `{"a":"1"}`, `{"a":null}`, `{}`, `{"a":[1]}`, `{"a":{"b":1}}`, `{"a":1,"b":1}`, `{"a.b":1}`,
			`{"a":"\"}"}`, `{"a":"b\",\"c\":\"d"}`, `{"a":"b","c":"d"}`, `{"a":true}`, `{"a":"true"}`, `[]`, `null`,
		} {
			_, h, err := pipeline.Canonical([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			if other, twice := seen[h]; twice {
				t.Errorf("%s and %s are one", doc, other)
			}
			seen[h] = doc
		}
	})
	t.Run("members are sorted by what they mean, not by how they are written", func(t *testing.T) {
		got, _, err := pipeline.Canonical([]byte(`{"b":1,"a\"":2,"a":3,"a ":4,"\u0061b":5,"A":6,"é":7,"":8}`))
		want := `{"":8,"A":6,"a":3,"a ":4,"a\"":2,"ab":5,"b":1,"é":7}`
		if err != nil || string(got) != want {
			t.Errorf("%s, %v", got, err)
		}
	})
	t.Run("is itself canonical", rapid.MakeCheck(func(t *rapid.T) {
		var one strings.Builder
		spell(t, &one, tree(2).Draw(t, "document"))
		once, _, _ := pipeline.Canonical([]byte(one.String()))
		twice, _, err := pipeline.Canonical(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q, %q, %v", once, twice, err)
		}
	}))
}

func TestDepth(t *testing.T) {
	nested := func(n int) []byte {
		return []byte(strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1))
	}
	if _, _, err := pipeline.Canonical(nested(pipeline.MaxDepth)); err != nil {
		t.Errorf("the deepest allowed: %v", err)
	}
	if _, _, err := pipeline.Canonical(nested(pipeline.MaxDepth + 1)); err == nil {
		t.Error("deeper than allowed is read")
	}
}

// FuzzMap holds the mapping against encoding/json: what is mapped is JSON to both, and the same content.
func FuzzMap(f *testing.F) {
	d := define(f, widgets+"key: [event_id]\nunknownMembers: ignore\n")
	codes := record.RefusalCodes()
	for _, seed := range []string{
		`{"id":"w1","event_id":"e"}`, `{"id":"w1","event_id":1,"name":"\ud83d\ude80","parent":{"id":null}}`, `{"a":[{},[],null]}`,
		"\xef\xbb\xbf{}", `{"id":"\ud800"}`, `{"a":1,"a":2}`, `[1e5,-0.1]`, "\xff", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		m, refusal := d.Map(raw)
		if !bytes.Equal(raw, before) {
			t.Fatal("the record was changed")
		}
		again, refusedAgain := d.Map(raw)
		if (refusal == nil) != (refusedAgain == nil) || m.Content != again.Content || !slices.Equal(m.Cells, again.Cells) {
			t.Fatal("mapped twice, a record gives two answers")
		}
		if refusal != nil {
			if !slices.Contains(codes, refusal.Code) || refusal.Message == "" || refusal.Content == (record.Hash{}) {
				t.Fatalf("%+v", refusal)
			}
			if !utf8.ValidString(refusal.Message) || !utf8.ValidString(refusal.Key) || !utf8.ValidString(refusal.Entity) || !utf8.ValidString(strings.Join(refusal.Fields, "")) {
				t.Fatalf("no text: %+v", refusal)
			}
			if trimmed := bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")); refusal.Code == record.CodeNotJSON && json.Valid(trimmed) && !strings.Contains(refusal.Message, "twice") &&
				!strings.Contains(refusal.Message, "deeper") {
				t.Fatalf("valid JSON is refused: %s", refusal.Message)
			}
			return
		}
		trimmed := bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
		if !json.Valid(trimmed) {
			t.Fatalf("no JSON: %q", raw)
		}
		if m.Key == "" || m.Entity == "" || len(m.Cells) != len(d.Header()) {
			t.Fatalf("%+v", m)
		}
		for i, cell := range m.Cells {
			if !utf8.ValidString(cell) || strings.ContainsRune(cell, 0) || (cell == "") == slices.Contains(m.Named, i) {
				t.Fatalf("column %d: %q", i, cell)
			}
		}
	})
}

func BenchmarkMap(b *testing.B) {
	for file, data := range map[string]string{"widgets": widgets} {
		d := define(b, data)
		body := []byte(`{"id":"con-000001","name":"Ada Lovelace","price":12.50,"active":true,"born":"1815-12-10","seen":"2026-02-03T04:05:06Z","parent":{"id":"acc-000017"}}`)
		b.Run(file, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, r := d.Map(body); r != nil {
					b.Fatal(r)
				}
			}
		})
	}
}
