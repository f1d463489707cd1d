package decide

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/rowfile"
)

var testStart = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func testEngine(limits Limits) *Engine {
	return New(Config{Pipeline: testPipeline, Header: testHeader, Limits: limits, Lanes: 1}, nil)
}

func at(seq uint64) record.Place { return record.Place{Seq: seq} }

func testID() [16]byte { return [16]byte{1} }

func feedAll(t *testing.T, e *Engine, records ...published) {
	t.Helper()
	for i, p := range records {
		c := p.candidate(at(uint64(i+1)), true, 1)
		if got := e.Feed(&c, testStart); got != Taken {
			t.Fatalf("record %d: %v, want it taken", i, got)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	wide := Limits{Rows: 1000, Bytes: 1 << 20, Age: 10 * time.Second}

	t.Run("a row that would exceed the bytes is not taken, and goes first into the next chunk", func(t *testing.T) {
		t.Parallel()
		limits := wide
		limits.Bytes = int64(rowfile.RowSize(testHeader)) + 20
		e := testEngine(limits)
		feedAll(t, e, published{entity: "a", fields: [3]string{"1234567890"}})
		c := published{entity: "b", fields: [3]string{"1234567890"}}.candidate(at(2), true, 1)
		if got := e.Feed(&c, testStart); got != Full {
			t.Fatalf("%v, want the lane to be full", got)
		}
		if diff := cmp.Diff(Due{Seal: []int{0}}, e.Due(testStart)); diff != "" {
			t.Fatal(diff)
		}
		commit, err := e.Cut([]int{0}, testStart, testID)
		if err != nil {
			t.Fatal(err)
		}
		if ch := commit.Chunks[0]; ch.Rows != 1 || ch.Bytes > limits.Bytes {
			t.Errorf("chunk of %d rows and %d bytes", ch.Rows, ch.Bytes)
		}
		e.Settle(commit, testStart)
		if got := e.Feed(&c, testStart); got != Taken {
			t.Errorf("%v, want it taken", got)
		}
	})

	t.Run("a version that would make its row longer than Salesforce takes begins the next chunk", func(t *testing.T) {
		t.Parallel()
		limits := wide
		limits.Bytes = 10 << 20
		e := testEngine(limits)
		half := strings.Repeat("x", pipeline.MaxRowChars*2/3)
		feedAll(t, e, published{entity: "a", fields: [3]string{half}})
		c := published{entity: "a", fields: [3]string{"", half}}.candidate(at(2), true, 1)
		if got := e.Feed(&c, testStart); got != Full {
			t.Fatalf("%v, want the lane to be full", got)
		}
	})

	t.Run("a definition's bytes above the hard bound do not count", func(t *testing.T) {
		t.Parallel()
		if e := testEngine(Limits{Rows: 1, Bytes: 1 << 40, Age: time.Second}); e.Limits.Bytes != rowfile.MaxBytes {
			t.Errorf("chunks may have %d bytes", e.Limits.Bytes)
		}
	})

	t.Run("refused records are committed when they are many or large, rows or no rows", func(t *testing.T) {
		t.Parallel()
		e := testEngine(wide)
		for i := range MaxDead {
			c := published{unknown: true}.candidate(at(uint64(i+1)), true, 1)
			if e.Feed(&c, testStart) != Taken {
				t.Fatalf("refused record %d is not taken", i)
			}
		}
		c := published{unknown: true}.candidate(at(MaxDead+1), true, 1)
		if e.Feed(&c, testStart) != Full || !e.Due(testStart).Flush {
			t.Error("the lane of refused records has no bound")
		}
		e = testEngine(wide)
		n := uint64(0)
		for ; n < 100; n++ {
			c := published{unknown: true}.candidate(at(n+1), true, 1)
			c.Payload = make([]byte, 1<<20)
			if e.Feed(&c, testStart) == Full {
				break
			}
		}
		if n != MaxDeadBytes>>20 {
			t.Errorf("%d MiB of refused payloads are kept, the bound is %d", n, MaxDeadBytes>>20)
		}
	})

	t.Run("nothing is due before the age, and Next says when", func(t *testing.T) {
		t.Parallel()
		e := testEngine(wide)
		if !e.Next().IsZero() || e.Due(testStart.Add(time.Hour)).Any() {
			t.Error("something is due though nothing was read")
		}
		feedAll(t, e, published{entity: "a", fields: [3]string{"1"}})
		if e.Due(testStart.Add(wide.Age - 1)).Any() {
			t.Error("due before its age")
		}
		if want := testStart.Add(wide.Age); !e.Next().Equal(want) || len(e.Due(want).Seal) != 1 {
			t.Errorf("next is %v and due then %v, want %v", e.Next(), e.Due(want), want)
		}
	})

	t.Run("a lane that keeps rows does not hold back the others' marks, and its own goes up to its first row", func(t *testing.T) {
		t.Parallel()
		e := testEngine(wide)
		feedAll(t, e, published{unknown: true}, published{unknown: true}, published{entity: "a", fields: [3]string{"1"}}, published{unknown: true})
		c, err := e.Cut(nil, testStart, testID)
		if err != nil {
			t.Fatal(err)
		}
		want := []Move{
			{Lane: record.LaneNone, To: record.Place{Seq: 4, Idx: EndOfFrame}},
			{Lane: 0, To: record.Place{Seq: 2, Idx: EndOfFrame}},
		}
		if diff := cmp.Diff(want, c.Marks); diff != "" {
			t.Error(diff)
		}
		if len(c.Chunks) != 0 || len(c.Dead) != 3 {
			t.Errorf("%d chunks and %d letters, want the three letters alone", len(c.Chunks), len(c.Dead))
		}
	})

	t.Run("a message without records moves the marks at the age", func(t *testing.T) {
		t.Parallel()
		e := testEngine(wide)
		e.Pass(7, testStart)
		if e.Due(testStart).Any() {
			t.Error("due at once")
		}
		later := testStart.Add(wide.Age)
		if !e.Due(later).Flush {
			t.Fatal("not due at the age")
		}
		c, err := e.Cut(nil, later, testID)
		if err != nil {
			t.Fatal(err)
		}
		e.Settle(c, later)
		if e.Lowest() != (record.Place{Seq: 7, Idx: EndOfFrame}) || e.Due(later.Add(time.Hour)).Any() {
			t.Errorf("marks stand at %v", e.Marks())
		}
	})
}

func TestReplay(t *testing.T) {
	t.Parallel()
	config := Config{Pipeline: testPipeline, Header: testHeader, Limits: Limits{Rows: 2, Bytes: 1 << 20, Age: time.Second}, Lanes: 1}
	letter := func(n int, p published) Candidate {
		c := p.candidate(at(uint64(n)), true, 1)
		c.Origin = &Origin{Generation: 3, LetterID: [16]byte{byte(n)}, FailureID: int64(n), AcceptedAt: testStart.Add(-time.Hour)}
		return c
	}

	t.Run("letters become rows in the next generation, merged by entity, in chunks of the definition's size", func(t *testing.T) {
		t.Parallel()
		c, err := Replay(config, []Candidate{
			letter(1, published{key: "k1", entity: "a", fields: [3]string{"1"}}),
			letter(2, published{key: "k2", entity: "a", fields: [3]string{"", "2"}}),
			letter(3, published{key: "k3", entity: "b", fields: [3]string{"1"}}),
			letter(4, published{key: "k4", entity: "c", fields: [3]string{"1"}}),
		}, testStart, testID)
		if err != nil {
			t.Fatal(err)
		}
		var sizes []string
		for _, ch := range c.Chunks {
			sizes = append(sizes, fmt.Sprintf("%d/%d", ch.Rows, ch.Records))
		}
		if diff := cmp.Diff([]string{"2/3", "1/1"}, sizes); diff != "" {
			t.Fatalf("rows/records of the chunks:\n%s", diff)
		}
		m, err := rowfile.DecodeManifest(c.Chunks[0].Manifest)
		if err != nil {
			t.Fatal(err)
		}
		e := m.GetRows()[0].GetRecords()[1]
		if e.GetGeneration() != 3 || e.GetFailureId() != 2 || e.GetLetterId()[0] != 2 || e.GetAcceptedAt() != testStart.Add(-time.Hour).UnixMicro() {
			t.Errorf("entry %v", e)
		}
		if c.Records.Len() != 4 || c.Records.At(0).Generation != 3 || len(c.Marks) != 0 || len(c.Repeats) != 0 {
			t.Errorf("records %v, marks %v, repeats %v", c.Records, c.Marks, c.Repeats)
		}
	})

	t.Run("a letter that is refused again dies in the next generation with its first acceptance", func(t *testing.T) {
		t.Parallel()
		c, err := Replay(config, []Candidate{letter(1, published{key: "k1", entity: "a", refused: true})}, testStart, testID)
		if err != nil {
			t.Fatal(err)
		}
		d := c.Dead[0]
		if d.Generation != 3 || d.LetterID != record.LetterID(testPipeline, "k1", 3) || !d.AcceptedAt.Equal(testStart.Add(-time.Hour)) {
			t.Errorf("letter %+v", d)
		}
		if len(c.Chunks)+c.Records.Len() != 0 {
			t.Errorf("a refused letter is in %d chunks", len(c.Chunks))
		}
	})
}

func TestTextsFromOutside(t *testing.T) {
	t.Parallel()
	t.Run("they fit a column and a letter whatever they are", func(t *testing.T) {
		t.Parallel()
		for in, want := range map[string]string{
			"plain":                         "plain",
			"nul\x00":                       "nul\uFFFD",
			"\xff\xfe":                      "\uFFFD",
			strings.Repeat("é", maxMessage): strings.Repeat("é", (maxMessage-3)/2) + "…",
		} {
			if got := shortText(in, maxMessage); got != want {
				t.Errorf("%.20q became %.20q of %d bytes", in, got, len(got))
			}
		}
		if got := shortFields(make([]string, 500)); len(got) != maxFields {
			t.Errorf("%d fields are kept", len(got))
		}
	})
}

func TestLargeLanesAreSealedOneByOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		records int
		want    []int
	}{
		"small ones go together": {maxTogether / 2, []int{0, 1}}, "large ones by themselves": {maxTogether + 20_000, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := New(Config{Pipeline: testPipeline, Header: testHeader, Lanes: 2, Limits: Limits{Rows: 1 << 20, Bytes: 1 << 26, Age: time.Second}}, nil)
			for i := range c.records {
				cand := published{entity: strconv.Itoa(i)}.candidate(at(uint64(i+1)), true, 2)
				if e.Feed(&cand, testStart) != Taken {
					t.Fatal("full")
				}
			}
			late := testStart.Add(time.Second)
			due := e.Due(late)
			if !slices.Equal(due.Seal, c.want) {
				t.Fatalf("lanes %v are sealed together", due.Seal)
			}
			sealed := 0
			for ; len(due.Seal) > 0; due = e.Due(late) {
				cut, err := e.Cut(due.Seal, late, testID)
				if err != nil {
					t.Fatal(err)
				}
				e.Settle(cut, late)
				sealed += cut.Records.Len()
			}
			if sealed != c.records || e.Unsealed() != 0 || e.Lowest() != e.Reading() {
				t.Errorf("%d of %d records are sealed, marks stand at %v", sealed, c.records, e.Marks())
			}
		})
	}
}
