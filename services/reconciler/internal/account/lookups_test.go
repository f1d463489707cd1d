package account

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// chunkOf is a chunk of an operation with a manifest: a row per letter, "a" where an earlier try may have had an effect.
func chunkOf(operation, key, rows string) (Chunk, manifestOf) {
	m := &flowv1.Manifest{Runs: []string{""}}
	for _, r := range rows {
		m.Rows = append(m.Rows, &flowv1.ManifestRow{Records: []*flowv1.ManifestEntry{{AcceptedAt: at0.UnixMicro()}, {Ambiguous: r == 'a', AcceptedAt: at0.UnixMicro()}}})
	}
	return Chunk{Rows: len(rows), Operation: operation, Object: "Account", Space: "main/Account/" + key, KeyField: key}, manifestOf{m}
}

func outcomeOfRows(states string, codes map[int]string) *Outcome {
	o := &Outcome{States: []byte(states), IDs: make([]byte, len(states)*IDSize), Failures: map[int]Failure{}}
	for row, s := range states {
		switch s {
		case 'l':
			o.Landed++
		case 'f':
			o.Failed++
			o.Failures[row] = Failure{Code: codes[row], Class: record.ClassDuplicate}
		case 'm':
			o.Missing++
		}
	}
	return o
}

func TestAsk(t *testing.T) {
	codes := map[int]string{1: codeDuplicateValue, 2: codeDuplicateValue, 3: "X"}
	for _, test := range []struct {
		operation, key string
		want           string
	}{
		{pipeline.OperationInsert, "Ext__c", "[0 1]"},
		{pipeline.OperationInsert, "", "[]"},
		{pipeline.OperationUpsert, "Ext__c", "[]"},
		{pipeline.OperationDelete, "Id", "[]"},
		{pipeline.OperationHardDelete, "Id", "[]"},
	} {
		t.Run(fmt.Sprintf("of %s by %q are looked up: %s", test.operation, test.key, test.want), func(t *testing.T) {
			c, m := chunkOf(test.operation, test.key, "-a-a")
			q, err := Ask(outcomeOfRows("mfff", codes), c, m)
			if got := fmt.Sprint(q.Rows()); got != test.want || err != nil {
				t.Fatal(got, err)
			}
		})
	}
}

func TestHear(t *testing.T) {
	one, two := Seen{ID: goodID}, Seen{ID: otherID}
	c, m := chunkOf(pipeline.OperationInsert, "Ext__c", "---aa")
	o := outcomeOfRows("mmmff", map[int]string{3: codeDuplicateValue, 4: codeDuplicateKey})
	q, err := Ask(o, c, m)
	if err != nil {
		t.Fatal(err)
	}
	open := o.Hear(q, "Ext__c", func(row int) []Seen { return [][]Seen{{one}, nil, {one, two}, {one}, {one, two}}[row] })
	if open != 1 || string(o.States) != "lmmlf" || o.Landed != 2 || o.Missing != 2 || o.Failed != 1 || o.ID(0) != goodID || o.ID(3) != goodID || len(o.Failures) != 1 {
		t.Fatalf("%d open, %+v", open, o)
	}
	o.Looked = "it was looked up"
	for row, want := range map[int]Disposition{1: DispositionRetry, 2: DispositionUnresolved} {
		if f := Dispose(o, row, Job{}); f.Disposition != want || f.Code != CodeMissing || f.Message == "" {
			t.Fatalf("row %d: %+v", row, f)
		}
	}
	if f := Dispose(o, 1, Job{}); !strings.Contains(f.Message, o.Looked) {
		t.Fatalf("%+v", f)
	}
	if f := Dispose(o, 2, Job{}); f.Class != record.ClassUnresolved || !strings.Contains(f.Message, goodID) || !strings.Contains(f.Message, "Ext__c") {
		t.Fatalf("%+v", f)
	}
}

func TestOurs(t *testing.T) {
	_, m := chunkOf(pipeline.OperationInsert, "Ext__c", "-")
	free := func(string) bool { return false }
	seen := Seen{ID: goodID, By: "me", At: at0}
	for _, test := range []struct {
		name  string
		seen  Seen
		taken func(string) bool
		want  bool
	}{
		{"a row that our user made since is ours", seen, free, true},
		{"one that the clocks put a little earlier is ours too", Seen{ID: goodID, By: "me", At: at0.Add(-maxSkew)}, free, true},
		{"one that was there long before is not", Seen{ID: goodID, By: "me", At: at0.Add(-maxSkew - time.Second)}, free, false},
		{"one of somebody else is not", Seen{ID: goodID, By: "you", At: at0}, free, false},
		{"one of which nothing is known is not", Seen{ID: goodID}, free, false},
		{"one that another record made is not", seen, func(id string) bool { return id == goodID }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.seen.Ours(AcceptedBy(m.GetRows()[0]), "me", test.taken); got != test.want {
				t.Fatal(got)
			}
		})
	}
}

func TestDecideLooks(t *testing.T) {
	waits := record.DefaultWaits()
	for _, test := range []struct {
		name string
		past Looks
		want Step
		next time.Duration
	}{
		{"the first look decides nothing", Looks{}, StepAgain, waits.Lookup},
		{"the second decides when it comes late enough", Looks{N: 1, Last: at0.Add(-waits.Lookup)}, StepSettle, 0},
		{"a second that comes too early waits for its time", Looks{N: 1, Last: at0.Add(-time.Second)}, StepAgain, waits.Lookup - time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := DecideLooks(3, "Ext__c", test.past, waits, at0)
			if v.Step != test.want || !strings.Contains(v.Reason, "3 inserted rows") || test.want == StepAgain && v.At.Sub(at0) != test.next {
				t.Fatalf("%+v", v)
			}
		})
	}
}

func TestLandDeleted(t *testing.T) {
	codes := map[int]string{0: codeDeleted, 1: codeDeleted, 2: codeNotFound, 3: "INSUFFICIENT_ACCESS"}
	c, m := chunkOf(pipeline.OperationDelete, "Id", "a-aa")
	o := outcomeOfRows("ffff", codes)
	if n, err := o.LandDeleted(c, m, func(row int) string { return map[int]string{0: goodID}[row] }); err != nil || n != 2 || string(o.States) != "lflf" || o.ID(0) != goodID || o.ID(2) != "" {
		t.Fatalf("%d, %+v", n, o)
	}
	c.Operation = pipeline.OperationUpdate
	if n, err := outcomeOfRows("ffff", codes).LandDeleted(c, m, nil); err != nil || n != 0 {
		t.Fatalf("%d rows of an update", n)
	}
}

func TestChunksThatCannotBeMatched(t *testing.T) {
	for name, c := range map[string]Chunk{
		"an upsert without a key field":         {Operation: pipeline.OperationUpsert},
		"a delete without a key field":          {Operation: pipeline.OperationDelete},
		"an operation that is none":             {Operation: "merge", KeyField: "Id"},
		"a negative number of rows":             {Operation: pipeline.OperationInsert, Rows: -1},
		"an unsent row outside":                 {Operation: pipeline.OperationUpdate, KeyField: "Id", Rows: 1, Unsent: map[int]Failure{1: {}}},
		"an unsent row that is superseded, too": {Operation: pipeline.OperationUpdate, KeyField: "Id", Rows: 1, Superseded: []int{0}, Unsent: map[int]Failure{0: {}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewIndex(c); err == nil {
				t.Fatal("taken")
			}
		})
	}
}

func TestFilesAreReadForTheColumnThatCounts(t *testing.T) {
	c := Chunk{Rows: 2, Operation: pipeline.OperationUpdate, Object: "Account", KeyField: "Ext__c", Space: "main/Account/Ext__c"}
	x, err := NewIndex(c)
	if err != nil {
		t.Fatal(err)
	}
	for row, id := range []string{goodID, id18(1)} {
		if err := x.Add(row, []byte(id)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("an updated row without an Id column is known by sf__Id", func(t *testing.T) {
		r := NewReading(x, nil)
		if err := r.Open(salesforce.Successful, []string{"Name"}).Take(rawRow(salesforce.Row{ID: goodID[:15], Cells: []string{"x"}})); err != nil || r.Summary().Landed != 1 {
			t.Fatalf("%v, %+v", err, r.Summary())
		}
	})
	t.Run("a row whose two ids differ has not landed", func(t *testing.T) {
		r := NewReading(x, nil)
		if err := r.Open(salesforce.Successful, []string{"Id"}).Take(rawRow(salesforce.Row{ID: id18(1), Cells: []string{goodID}})); err != nil || r.Summary().Landed != 0 || r.BadIDs() != 1 {
			t.Fatalf("%v, %+v", err, r.Summary())
		}
	})
	t.Run("an unprocessed row has nothing but its Id column", func(t *testing.T) {
		err := NewReading(x, nil).Open(salesforce.Unprocessed, []string{"Name"}).Take(rawRow(salesforce.Row{Cells: []string{"x"}}))
		if err == nil || !strings.Contains(err.Error(), "column Id") {
			t.Fatal(err)
		}
	})
}

func TestRelaxedValues(t *testing.T) {
	for _, same := range [][]string{
		{"1", "1.0", "01", "+1", "1e0", "10e-1", " 1.000 "},
		{"-0.50", "-.5", "-5E-1"},
		{"0", "-0", "0.00", "0e9"},
		{"", "  ", "#N/A"},
		{"true", "TRUE", "True"},
		{"2026-03-01T10:00:00+02:00", "2026-03-01T08:00:00Z", "2026-03-01T08:00:00.000Z", "2026-03-01T08:00:00.000+0000", "2026-03-01 08:00:00"},
		{"2026-03-01", "2026-03-01T00:00:00.000Z", "2026-03-01Z"},
		{"caf\u00e9", "cafe\u0301", "cafe\u0301 "},
		{"a\r\nb", "a\nb"},
	} {
		for _, s := range same[1:] {
			if relaxed(s) != relaxed(same[0]) {
				t.Errorf("%q is %q, %q is %q", s, relaxed(s), same[0], relaxed(same[0]))
			}
		}
	}
	for _, pair := range [][2]string{
		{"1", "10"},
		{"1", "-1"},
		{"0.1", "0.01"},
		{"1e2", "1e3"},
		{"a", "A"},
		{"2026-03-01", "2026-03-02"},
		{"1-2", "12"},
		{"+", "-"},
		{".", ""},
		{"2026-02-30", "2026-03-02"},
		{"true", "1"},
		{"1e999999999", "1e999999998"},
		{strings.Repeat("1", 65), strings.Repeat("1", 64) + "1.0"},
	} {
		if relaxed(pair[0]) == relaxed(pair[1]) {
			t.Errorf("%q and %q are one value: %q", pair[0], pair[1], relaxed(pair[0]))
		}
	}
}

// contentOf reads files of one column into a chunk of these rows.
func contentOf(t *testing.T, rows []string, say func(landed, failed func(value, id string))) (*Outcome, Read) {
	t.Helper()
	x, err := NewIndex(Chunk{Rows: len(rows), Operation: pipeline.OperationInsert, Object: "Account", Header: []string{"Name"}})
	if err != nil {
		t.Fatal(err)
	}
	r := NewReading(x, nil)
	take := func(kind salesforce.ResultKind, row salesforce.Row) {
		if err := r.Open(kind, []string{"Name"}).Take(rawRow(row)); err != nil {
			t.Fatal(err)
		}
	}
	say(func(value, id string) {
		take(salesforce.Successful, salesforce.Row{ID: id, Created: true, Cells: []string{value}})
	}, func(value, _ string) {
		take(salesforce.Failed, salesforce.Row{Error: "X:y:--", Cells: []string{value}})
	})
	for r.NeedsRows() {
		for i, value := range rows {
			if err := r.Row(i, []string{value}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.EndRows(len(rows)); err != nil {
			t.Fatal(err)
		}
	}
	s := r.Summary()
	return r.Finish(Job{State: salesforce.StateJobComplete}), s
}

func TestContent(t *testing.T) {
	type say = func(landed, failed func(value, id string))
	for _, test := range []struct {
		name   string
		rows   []string
		say    say
		states string
		unsure int
	}{
		{"copies take the lowest rows first", []string{"a", "b", "a"}, func(landed, _ func(string, string)) { landed("a", goodID) }, "lmm", 0},
		{
			"a row that the files both landed and refused is in doubt, though another is in none of them",
			[]string{"a", "b"},
			func(landed, failed func(string, string)) { landed("a", goodID); failed("a", "") }, "mm", 2,
		},
		{
			"two rows that come back as one value are one content",
			[]string{"1.0", "1"},
			func(landed, _ func(string, string)) { landed("1", goodID); landed("1", id18(1)) }, "ll", 0,
		},
		{
			"a residue takes no relaxed match for good",
			[]string{"a ", "b", "c"},
			func(landed, _ func(string, string)) { landed("a", goodID); landed("stranger", id18(1)) }, "mmm", 2,
		},
		{
			"and leaves strict matches alone",
			[]string{"a", "b", "c"},
			func(landed, _ func(string, string)) { landed("a", goodID); landed("stranger", id18(1)) }, "lmm", 1,
		},
		{"a landed row without an id is told of nowhere", []string{"a", "b"}, func(landed, _ func(string, string)) { landed("a", ""); landed("b", goodID) }, "ml", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, s := contentOf(t, test.rows, test.say)
			if string(o.States) != test.states || s.Unclear != test.unsure || s.Contradiction != "" {
				t.Fatalf("%s, %+v", o.States, s)
			}
			if o.Missing > 0 && (Dispose(o, strings.IndexByte(test.states, 'm'), Job{}).Disposition != DispositionUnresolved || o.Doubt == "") {
				t.Fatalf("%+v", o)
			}
		})
	}
	for name, say := range map[string]say{
		"more result rows than were sent":       func(landed, failed func(string, string)) { landed("a", goodID); landed("b", id18(1)); failed("a", "") },
		"two rows that became the same id":      func(landed, _ func(string, string)) { landed("a", goodID); landed("b", goodID) },
		"a row that became one of another kind": func(landed, _ func(string, string)) { landed("a", otherID) },
	} {
		t.Run(name+" cannot be", func(t *testing.T) {
			if _, s := contentOf(t, []string{"a", "b"}, say); s.Contradiction == "" {
				t.Fatalf("%+v", s)
			}
		})
	}
	t.Run("a person is shown ids of result rows that match nothing, a few of them", func(t *testing.T) {
		rows := make([]string, 20)
		o, _ := contentOf(t, rows, func(landed, _ func(string, string)) {
			for i := range rows {
				landed(fmt.Sprint("stranger ", i), id18(i))
			}
		})
		if !strings.Contains(o.Doubt, "20 result rows match no row that was sent, candidates: "+id18(0)) || strings.Count(o.Doubt, "001") > maxCandidates+1 {
			t.Fatal(o.Doubt)
		}
	})
}
