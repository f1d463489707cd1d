package account

import (
	"errors"
	"strings"
	"testing"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// answer is a call that was answered with these states; rows that were saved have ids.
func answer(first int, states string) Call {
	c := Call{First: first, End: first + len(states), States: []byte(strings.ReplaceAll(states, "-", "\x00"))}
	for i, s := range c.States {
		id := string(noID[:])
		if s == 'c' || s == 'l' {
			id = id18(first + i)
		}
		c.IDs = append(c.IDs, id...)
	}
	return c
}

// unanswered is a call for n rows whose answer nobody knows.
func unanswered(first, n int) Call { return Call{First: first, End: first + n} }

func none(int) string { return "" }

// answeredJob is what the reconciler knows in place of a job.
var answeredJob = Job{State: JobAnswered, ErrorMessage: "a call was refused"}

func readingOf(t *testing.T, c Chunk) *Reading {
	t.Helper()
	x, err := NewIndex(c)
	if err != nil {
		t.Fatal(err)
	}
	return NewReading(x, nil)
}

func TestAnswersOfCalls(t *testing.T) {
	refused := map[int]salesforce.RowError{1: {Code: "REQUIRED_FIELD_MISSING", Message: "Required fields are missing: [Name]", Fields: []string{"Name"}}}
	tests := []struct {
		name   string
		chunk  Chunk
		calls  []Call
		states string
	}{
		{"every row has what its call said", upserts(4, nil), []Call{answer(0, "cf"), answer(2, "lc")}, "lfll"},
		{"a row that newer versions cover was left out", upserts(3, []int{1}), []Call{answer(0, "l-l")}, "lsl"},
		{"a row that no call was made for was not looked at", upserts(3, nil), []Call{answer(0, "l")}, "luu"},
		{"a row whose call has no answer is missing", upserts(3, nil), []Call{answer(0, "l"), unanswered(1, 1)}, "lmu"},
		{"a row that was called for again has the second answer", upserts(3, nil), []Call{unanswered(0, 3), answer(0, "l"), answer(1, "fl")}, "lfl"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := readingOf(t, tt.chunk)
			if err := r.AnswerCalls(tt.calls, refused, none); err != nil {
				t.Fatal(err)
			}
			o := r.Finish(answeredJob)
			if string(o.States) != tt.states || o.Landed+o.Failed+o.Unprocessed+o.Missing+o.Superseded != tt.chunk.Rows {
				t.Errorf("states are %s, want %s: %+v", o.States, tt.states, o)
			}
			if f, ok := o.Failures[1]; ok && (f.Class != record.ClassData || f.Code != "REQUIRED_FIELD_MISSING" || len(f.Fields) != 1) {
				t.Errorf("row 1 failed with %+v", f)
			}
		})
	}
	t.Run("rows that were made are counted, and keep their ids", func(t *testing.T) {
		r := readingOf(t, upserts(2, nil))
		if err := r.AnswerCalls([]Call{answer(0, "cl")}, nil, none); err != nil {
			t.Fatal(err)
		}
		if o := r.Finish(answeredJob); o.Created != 1 || o.ID(0) != id18(0) || o.ID(1) != id18(1) {
			t.Errorf("%+v", o)
		}
	})
	t.Run("a row that was saved under no id, or under another one than was sent, is missing", func(t *testing.T) {
		c := upserts(2, nil)
		c.Operation, c.KeyField = pipeline.OperationUpdate, ColumnID
		r := readingOf(t, c)
		call := answer(0, "ll")
		copy(call.IDs, noID[:])
		if err := r.AnswerCalls([]Call{call}, nil, func(int) string { return id18(7) }); err != nil {
			t.Fatal(err)
		}
		if o := r.Finish(answeredJob); string(o.States) != "mm" || r.BadIDs() != 2 {
			t.Errorf("states are %s with %d bad ids", o.States, r.BadIDs())
		}
	})
	for name, calls := range map[string][]Call{
		"two calls that answer for one row": {answer(0, "ll"), answer(1, "l")},
		"a call for rows that are not":      {answer(1, "lll")},
		"an answer of another length":       {{First: 0, End: 2, States: []byte("l"), IDs: make([]byte, IDSize)}},
		"an answer that leaves a row out":   {answer(0, "l-")},
		"a call for no rows":                {unanswered(1, 0)},
	} {
		t.Run(name+" cannot be", func(t *testing.T) {
			if err := readingOf(t, upserts(3, nil)).AnswerCalls(calls, nil, none); !errors.Is(err, ErrChunk) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("a row that is found deleted by the second call was deleted by the first", func(t *testing.T) {
		c := upserts(2, nil)
		c.Operation, c.KeyField = pipeline.OperationDelete, ColumnID
		r := readingOf(t, c)
		gone := map[int]salesforce.RowError{0: {Code: "ENTITY_IS_DELETED"}, 1: {Code: "ENTITY_IS_DELETED"}}
		if err := r.AnswerCalls([]Call{unanswered(0, 1), answer(0, "f"), answer(1, "f")}, gone, none); err != nil {
			t.Fatal(err)
		}
		o := r.Finish(answeredJob)
		one := &flowv1.ManifestRow{Records: []*flowv1.ManifestEntry{{}}}
		n, err := o.LandDeleted(c, manifestOf{&flowv1.Manifest{Rows: []*flowv1.ManifestRow{one, one}}}, id18)
		if err != nil || n != 1 || string(o.States) != "lf" || !o.Ambiguous(0) || o.Ambiguous(1) {
			t.Errorf("%d rows landed, states are %s", n, o.States)
		}
	})
	t.Run("a chunk of which nothing landed and a call was refused counts against the pipeline", func(t *testing.T) {
		r := readingOf(t, upserts(2, nil))
		if err := r.AnswerCalls(nil, nil, none); err != nil {
			t.Fatal(err)
		}
		o := r.Finish(answeredJob)
		standing, blame := StandingOf(o, answeredJob)
		if standing != StandingBlocked || blame.Class != record.ClassPermission || blame.Code != "CALL_REFUSED" || blame.Message == "" {
			t.Errorf("it is %s for %+v", standing, blame)
		}
		if fate := Dispose(o, 0, answeredJob); fate.Counts || fate.Disposition != DispositionRetry || fate.Message != answeredJob.ErrorMessage {
			t.Errorf("its rows %+v", fate)
		}
	})
}
