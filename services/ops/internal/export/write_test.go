package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestParseRequest(t *testing.T) {
	t.Run("CSV is what is meant when nothing is said", func(t *testing.T) {
		r, err := ParseRequest("landed", url.Values{"pipeline": {"contacts"}})
		if want := (Request{Kind: Landed, Pipeline: "contacts", Format: CSV}); err != nil || r != want {
			t.Errorf("%+v %v", r, err)
		}
	})
	t.Run("everything that is wrong is told at once", func(t *testing.T) {
		_, err := ParseRequest("lost", url.Values{"pipeline": {"A b"}, "run": {"x y"}, "format": {"xlsx"}, "object": {"Contact"}})
		var invalid *InvalidError
		if !errors.As(err, &invalid) || len(invalid.Problems) != 5 {
			t.Errorf("%v", err)
		}
	})
	t.Run("a parameter given twice is refused, since one of them would be ignored", func(t *testing.T) {
		if _, err := ParseRequest("failed", url.Values{"pipeline": {"contacts", "accounts"}}); err == nil {
			t.Error("accepted")
		}
	})
}

func TestCSV(t *testing.T) {
	t.Run("whatever a record says, its line reads back as written and no cell is a formula", rapid.MakeCheck(func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[=+@\t\r\n",'-]{0,4}[a-z(),"\n]{0,6}`))
		r := failedRecord{Key: text.Draw(t, "key"), Entity: text.Draw(t, "entity"), Message: text.Draw(t, "message"), Fields: []string{"A", "B"}}
		var out bytes.Buffer
		w := newWriter(CSV, &out)
		if err := errors.Join(w.begin(r.header()), w.write(r), w.flush()); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(lines) != 2 || len(lines[0]) != len(lines[1]) {
			t.Fatalf("%q %v", lines, err)
		}
		for i, cell := range lines[1] {
			// A CSV reader gives CRLF inside a value back as LF.
			was := strings.ReplaceAll(r.cells()[i], "\r\n", "\n")
			if cell != was && cell != "'"+was {
				t.Errorf("%s: %q came back as %q", lines[0][i], was, cell)
			}
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("%s begins like a formula: %q", lines[0][i], cell)
			}
		}
	}))
}

func TestNDJSON(t *testing.T) {
	t.Run("a payload comes back byte for byte, as text where it is text", rapid.MakeCheck(func(t *rapid.T) {
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		var r failedRecord
		r.carry(payload)
		var out bytes.Buffer
		if err := newWriter(NDJSON, &out).write(r); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(out.Bytes(), []byte("\n")); n != 1 {
			t.Fatalf("%d lines", n)
		}
		var back failedRecord
		if err := json.Unmarshal(out.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		got := back.PayloadBase64
		if utf8.Valid(payload) {
			if back.Payload == nil {
				t.Fatalf("no text: %s", out.Bytes())
			}
			got = []byte(*back.Payload)
		}
		if !bytes.Equal(got, payload) {
			t.Errorf("%q came back as %q", payload, got)
		}
	}))
	t.Run("a value that a spreadsheet would take for a formula stays as it is", func(t *testing.T) {
		var out bytes.Buffer
		if err := newWriter(NDJSON, &out).write(failedRecord{Key: "=1+1 <&>"}); err != nil || !strings.Contains(out.String(), `"=1+1 <&>"`) {
			t.Errorf("%s %v", out.String(), err)
		}
	})
}
