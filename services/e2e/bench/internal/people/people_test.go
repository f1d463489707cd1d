package people

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"bulkhead/libs/pipeline"
)

func TestPeople(t *testing.T) {
	numbers := []int64{0, 1, 9, 10, 999, 123_456, 9_999_999, 99_999_999}
	t.Run("are some 250 bytes of JSON, and as CSV say the same", func(t *testing.T) {
		columns := strings.Split(strings.TrimSpace(Header), ",")
		members := []string{"id", "first_name", "last_name", "email", "phone", "loyalty_number", "lead_source"}
		for _, i := range numbers {
			text := AppendJSON(nil, i)
			var rec map[string]string
			if err := json.Unmarshal(text, &rec); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if len(text) < 230 || len(text) > 260 || len(rec) != len(members) {
				t.Errorf("%d bytes: %s", len(text), text)
			}
			rows, err := csv.NewReader(strings.NewReader(Header + string(AppendCSV(nil, i)))).ReadAll()
			if err != nil || len(rows) != 2 || len(rows[1]) != len(columns) {
				t.Fatalf("%v, %v", rows, err)
			}
			for n, m := range members {
				if rows[1][n] != rec[m] {
					t.Errorf("record %d: %s is %q in JSON, %s is %q in CSV", i, m, rec[m], columns[n], rows[1][n])
				}
			}
			if Key(i) != rec["id"] {
				t.Errorf("key %q, id %q", Key(i), rec["id"])
			}
		}
	})
	t.Run("have a definition that the product takes without a warning", func(t *testing.T) {
		d, warnings, err := pipeline.ParseDefinition(Definition(Largest()))
		if err != nil || len(warnings) > 0 || d.Chunk.Rows != 1_000_000 || d.Lanes != pipeline.DefaultLanes {
			t.Errorf("%+v, %v, %v", d, warnings, err)
		}
	})
	t.Run("have the chunks of a definition that does not speak of chunks", func(t *testing.T) {
		text, _, _ := strings.Cut(string(Definition(Usual())), "chunk:")
		silent, _, err := pipeline.ParseDefinition([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		said, _, err := pipeline.ParseDefinition(Definition(Usual()))
		if err != nil || said.Chunk != silent.Chunk {
			t.Errorf("%+v, the default is %+v: %v", said.Chunk, silent.Chunk, err)
		}
	})
	t.Run("cost no allocation", func(t *testing.T) {
		b := make([]byte, 0, 1024)
		if n := testing.AllocsPerRun(100, func() { b = AppendCSV(AppendJSON(b[:0], 7), 7) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
	t.Run("have a fault that is JSON", func(t *testing.T) {
		if text := Fault(0.05); !json.Valid(text) || !strings.Contains(string(text), `"fraction":0.05`) {
			t.Errorf("%s", text)
		}
	})
}
