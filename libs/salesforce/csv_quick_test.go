package salesforce

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// carefully reads records longer than a few bytes cell by cell, since its buffer never holds one.
func carefully(text string, maxRecord int) *csvReader {
	r := newCSVReader(strings.NewReader(text), maxRecord)
	r.buf = make([]byte, len(utf8BOM))
	return r
}

// sameBothWays reads a text record by record in both ways, loose as the header says, and says how they differ.
func sameBothWays(t interface{ Fatalf(string, ...any) }, text string, looseAt int, quick *csvReader) {
	careful := carefully(text, quick.maxRecord)
	quick.looseAt, careful.looseAt = looseAt, looseAt
	for {
		got, gotErr := quick.next()
		want, wantErr := careful.next()
		if gotErr != nil || wantErr != nil {
			if gotErr == nil || wantErr == nil || gotErr.Error() != wantErr.Error() {
				t.Fatalf("%q: %v, read with care %v", text, gotErr, wantErr)
			}
			return
		}
		if !reflect.DeepEqual(texts(got), texts(want)) || quick.line != careful.line || quick.nextLine != careful.nextLine || quick.bareEnd != careful.bareEnd {
			t.Fatalf("%q: %q at lines %d to %d, read with care %q at lines %d to %d", text, got, quick.line, quick.nextLine, want, careful.line, careful.nextLine)
		}
	}
}

func TestARecordReadInPlaceIsTheSameAsReadWithCare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, _ := writeCSVRecords(t, genRecords(t))
		spoiled := []byte(text)
		for range rapid.IntRange(0, 2).Draw(t, "spoiled") {
			spoiled[rapid.IntRange(0, len(spoiled)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("\"\",\r\n\x00\xffx")).Draw(t, "by")
		}
		pieces := &pieceReader{text: string(spoiled), sizes: rapid.SliceOfN(rapid.IntRange(1, 30), 1, 20).Draw(t, "pieces")}
		quick := newCSVReader(pieces, rapid.SampledFrom([]int{20, 1 << 20}).Draw(t, "bound"))
		quick.buf = make([]byte, rapid.SampledFrom([]int{len(utf8BOM), 40, csvBufferBytes}).Draw(t, "buffer"))
		sameBothWays(t, string(spoiled), rapid.IntRange(-1, 1).Draw(t, "loose"), quick)
	})
}

func FuzzRecordsBothWays(f *testing.F) {
	for _, seed := range []string{"a,b\n\"1\",2\r\n", "\"a\"\"b\",\"\"\n\n", "\"a\"x\n", "a\"\n", "\xef\xbb\xbf\"\r\n\"\r", "\x00,\xff\n", ",,\r"} {
		f.Add(seed, 0, 1<<16)
		f.Add(seed, -1, 4)
	}
	f.Fuzz(func(t *testing.T, text string, looseAt, maxRecord int) {
		sameBothWays(t, text, looseAt, newCSVReader(strings.NewReader(text), min(max(maxRecord, 1), 1<<16)))
	})
}
