package account

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bulkhead/libs/salesforce"
)

func TestKeyTable(t *testing.T) {
	t.Run("it finds what a map would find, whichever row is guessed", rapid.MakeCheck(func(t *rapid.T) {
		key := rapid.StringMatching(`[ab]{1,3}|[a-c0-9-]{1,12}`)
		rows := rapid.IntRange(0, 60).Draw(t, "rows")
		table, want := newKeyTable(rows), map[string]int{}
		for row := range rows {
			if rapid.Bool().Draw(t, "left out") {
				continue
			}
			k := key.Draw(t, "key")
			first, twice := want[k]
			other, ok, err := table.add(row, []byte(k))
			if err != nil || ok == twice || twice && other != first {
				t.Fatalf("row %d with %q: %d, %v, %v", row, k, other, ok, err)
			}
			if !twice {
				want[k] = row
			}
		}
		if table.count != len(want) {
			t.Fatalf("%d keys, want %d", table.count, len(want))
		}
		for range 20 {
			k, guess := rapid.OneOf(key, rapid.Just("")).Draw(t, "asked"), rapid.IntRange(0, rows+2).Draw(t, "guess")
			row, ok := table.find([]byte(k), guess)
			if first, known := want[k]; ok != known || ok && row != first {
				t.Fatalf("%q is found at %d, %v; want %d, %v", k, row, ok, first, known)
			}
		}
	}))
	t.Run("keys of one hash are told apart by their bytes", func(t *testing.T) {
		const rows = 40
		table := newKeyTable(rows)
		for row := range rows {
			if _, ok, err := table.put(row, uint64(row%3), fmt.Appendf(nil, "key-%d", row)); !ok || err != nil {
				t.Fatalf("row %d: %v", row, err)
			}
		}
		for row := range rows {
			if _, got, ok := table.slot(uint64(row%3), fmt.Appendf(nil, "key-%d", row)); !ok || got != row {
				t.Errorf("row %d is found at %d, %v", row, got, ok)
			}
			if _, _, ok := table.slot(uint64(row%3), fmt.Appendf(nil, "key-%d", row+rows)); ok {
				t.Errorf("a key of the hash of row %d that is not there is found", row)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Run("a text says the same however often and in whatever order it comes", rapid.MakeCheck(func(t *rapid.T) {
		var r refusals
		texts := rapid.SliceOfN(rapid.OneOf(
			rapid.SampledFrom([]string{"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--", "REQUIRED_FIELD_MISSING:Required fields are missing: [A, B]:A,B --", "", "x"}),
			rapid.String(),
		), 1, 40).Draw(t, "texts")
		for i, text := range texts {
			id := rapid.SampledFrom([]string{"", goodID, goodID[:15], "no id"}).Draw(t, "id")
			if got, want := r.parse([]byte(id), []byte(text)), failureOf(nil, id, salesforce.ParseRowError(text)); !reflect.DeepEqual(got, want) {
				t.Fatalf("%d: %q is %+v, want %+v", i, text, got, want)
			}
		}
	}))
	t.Run("what is remembered is bounded, and what is not is read all the same", func(t *testing.T) {
		var r refusals
		for i := range 2 * maxRefusals {
			if f := r.parse(nil, fmt.Appendf(nil, "CODE_%d:message %d:--", i, i)); f.Code != fmt.Sprint("CODE_", i) {
				t.Fatalf("%+v", f)
			}
		}
		long := []byte("LONG:" + strings.Repeat("x", maxRefusal) + ":--")
		if f := r.parse(nil, long); f.Code != "LONG" || len(r.known) != maxRefusals {
			t.Errorf("%+v, %d remembered", f, len(r.known))
		}
	})
}
