package account

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
)

// FuzzRelaxed: a relaxed value is relaxed, and no value panics.
func FuzzRelaxed(f *testing.F) {
	for _, s := range []string{"1.50", "-0e5", "2026-03-01T10:00:00+02:00", "#N/A", " é ", "true", "\x00n1e0", "1e400", "40e400", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := relaxed(s)
		if once != relaxed(strings.TrimSpace(s)) {
			t.Fatalf("%q: blanks count", s)
		}
		if n, ok := plainNumber(s); ok {
			if again, ok := plainNumber(n); ok && again != n {
				t.Fatalf("%q is written as %q, which is %q", s, n, again)
			}
		}
	})
}

// FuzzReading: whatever the result files hold, each row has one outcome, the counts add up, and nothing panics.
func FuzzReading(f *testing.F) {
	f.Add("sf__Id,sf__Created,Id,Name\n001000000000001AAA,true,001000000000001AAA,a\n", "sf__Id,sf__Error,Id,Name\n,X:y:--,b,b\n", "Id,Name\n,c\n", byte(0))
	f.Add("Name,sf__Id,sf__Created\na,0015g00000AbCdEAAV,1\na,0015g00000AbCdFAAV,TRUE\n", "", "Name\n", byte(7))
	f.Fuzz(func(t *testing.T, successful, failed, unprocessed string, form byte) {
		operation := pipeline.Operations()[form%5]
		c := Chunk{Rows: 4, Operation: operation, Object: "Account", Header: []string{"Id", "Name"}, KeyField: "Name", Space: "main/Account/Name", Superseded: []int{3}}
		if form/5%2 == 1 && operation == pipeline.OperationInsert {
			c.KeyField = ""
		}
		rows := [][]string{{"001000000000001AAA", "a"}, {"001000000000002AAA", "b"}, {"001000000000003AAA", "c"}, {"001000000000004AAA", "d"}}
		x, err := NewIndex(c)
		if err != nil {
			t.Fatal(err)
		}
		for i, cells := range rows {
			if c.ByContent() {
				break
			}
			value := cells[1]
			if c.byID() {
				value = cells[0]
			}
			if err := x.Add(i, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		now := held{"successfulResults": successful, "failedResults": failed, "unprocessedrecords": unprocessed}
		org := client(t, &now)
		r := NewReading(x, nil)
		for _, kind := range []salesforce.ResultKind{salesforce.Successful, salesforce.Failed, salesforce.Unprocessed} {
			results, err := org.Results(t.Context(), "750000000000001AAA", kind)
			if err != nil {
				return
			}
			file := r.Open(kind, results.Header())
			for {
				row, err := results.NextRaw()
				if err == nil {
					err = file.Take(row)
				}
				if err == io.EOF { //nolint:errorlint // exactly that: a wrapped one is another end
					break
				}
				if err != nil {
					return
				}
			}
		}
		for r.NeedsRows() {
			for i, cells := range rows {
				if i < 3 {
					if err := r.Row(i, cells); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := r.EndRows(4); err != nil {
				t.Fatal(err)
			}
		}
		s := r.Summary()
		if s.Landed+s.Failed+s.Unprocessed > s.Sent {
			t.Fatalf("%+v", s)
		}
		o := r.Finish(Job{State: salesforce.StateJobComplete})
		counts := map[rune]int{}
		for _, state := range string(o.States) {
			counts[state]++
		}
		if fmt.Sprint(counts['l'], counts['f'], counts['u'], counts['m'], counts['s']) != fmt.Sprint(o.Landed, o.Failed, o.Unprocessed, o.Missing, 1) || len(o.States) != 4 || len(o.Failures) != o.Failed {
			t.Fatalf("%s: %+v", o.States, o)
		}
		for row := range o.States {
			if (o.States[row] == 'l') != (o.ID(row) != "") {
				t.Fatalf("row %d is %c with the id %q", row, o.States[row], o.ID(row))
			}
			if o.States[row] != 'l' && o.States[row] != 's' {
				if fate := Dispose(o, row, Job{}); fate.Disposition == DispositionUnresolved != (o.States[row] == 'm' && c.ByContent()) {
					t.Fatalf("%+v", fate)
				}
			}
		}
	})
}
