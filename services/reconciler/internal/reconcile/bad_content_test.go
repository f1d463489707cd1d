package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"bulkhead/libs/salesforce"
	"bulkhead/services/reconciler/internal/account"
)

// echoed plays an insert by content of two rows, of which values come back as given.
func echoed(b *bundle, head []string, sent, back [][]string) string {
	b.t.Helper()
	b.form = form{operation: "insert", space: blind.space, header: []string{"Name", "Value"}}
	s := b.script()
	s.set(success, text(successOf(head, back)))
	var rows []row
	for i, cells := range sent {
		rows = append(rows, row{cells: cells, records: []rec{{key: fmt.Sprintf("k-%d", i)}}})
	}
	c := b.scriptedRows(rows, "JobComplete", int64(len(back)), 0)
	b.run(b.reconciler(), 0)
	if !c.hasOutcome() {
		b.now = b.now.Add(b.waits.Missing)
		b.run(b.reconciler(), 2*b.waits.Missing)
	}
	return c.became()
}

func successOf(head []string, rows [][]string) string {
	var out strings.Builder
	out.WriteString("\"sf__Id\",\"sf__Created\"," + strings.Join(head, ",") + "\n")
	for i, cells := range rows {
		id, err := id18(fmt.Sprintf("0015g0000%06d", i))
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&out, "%q,\"true\"", id)
		for _, cell := range cells {
			out.WriteString(`,"` + strings.ReplaceAll(cell, `"`, `""`) + `"`)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func contentCases() map[int]badCase {
	head := []string{"Name", "Value"}
	value := func(sent, back string) badCase {
		return func(_ *testing.T, b *bundle) string {
			return echoed(b, head, [][]string{{"One", sent}, {"Two", "same"}}, [][]string{{"Two", "same"}, {"One", back}})
		}
	}
	return map[int]badCase{
		9: func(_ *testing.T, b *bundle) string {
			sent := [][]string{{"One", "555"}, {"Two", "556"}}
			whole := echoed(b, head[:1], sent, [][]string{{"Two"}, {"One"}})
			return whole + ", with a residue " + echoed(b, head[:1], sent, [][]string{{"Somebody"}, {"One"}})
		},
		40: value("kept  ", "kept"),
		41: value("1.0", "1"),
		42: value("2026-03-01T10:00:00+02:00", "2026-03-01T08:00:00.000Z"),
		43: func(t *testing.T, b *bundle) string {
			x, err := account.NewIndex(account.Chunk{Rows: 1, Operation: "insert", Object: "Account", Header: head})
			if err != nil {
				t.Fatal(err)
			}
			r := account.NewReading(x, nil)
			if err := r.Open(salesforce.Successful, head).Take(salesforce.RawRow{ID: []byte("0015g00000AbCdEAAV"), Cells: [][]byte{[]byte("One"), []byte("a\nb")}}); err != nil {
				t.Fatal(err)
			}
			passes := 0
			for ; r.NeedsRows(); passes++ {
				if err := r.Row(0, []string{"One", "a\r\nb"}); err != nil {
					t.Fatal(err)
				}
				if err := r.EndRows(1); err != nil {
					t.Fatal(err)
				}
			}
			if passes != 1 || r.Summary().Landed != 1 {
				t.Errorf("%d passes, %+v", passes, r.Summary())
			}
			return value("a\r\nb", "a\nb")(t, b) + ", strict"
		},
		44: value("#N/A", ""),
		45: value("cafe\u0301", "caf\u00e9"),
	}
}
