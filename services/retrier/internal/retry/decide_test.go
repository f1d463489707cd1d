package retry

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
	"bulkhead/services/retrier/internal/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func failed(class record.Class, code string, attempt int) store.Failure {
	return store.Failure{Outcome: record.OutcomeFailed, Class: string(class), Code: code, Attempt: attempt, Attempts: []byte(`[]`)}
}

// bounded is a failure whose error has a bound of its own.
func bounded(f store.Failure, tries int) store.Failure {
	f.Tries = tries
	return f
}

func TestDecide(t *testing.T) {
	policies := record.DefaultPolicies()
	t.Run("waits grow with each try up to the bound, and the draw of the jitter scales them", func(t *testing.T) {
		const half = 0.5
		want := []time.Duration{
			500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second,
		}
		for i, wait := range want {
			v := Decide(policies, []store.Failure{failed(record.ClassTransient, "SERVER_UNAVAILABLE", i+1)}, noon, half)[0]
			if v.Dead || v.Due.Sub(noon) != wait {
				t.Errorf("try %d: dead %t, waits %s, want %s", i+1, v.Dead, v.Due.Sub(noon), wait)
			}
		}
	})
	t.Run("the same draw gives the same wait", func(t *testing.T) {
		unit := []store.Failure{failed(record.ClassContention, "UNABLE_TO_LOCK_ROW", 3)}
		if a, b := Decide(policies, unit, noon, 0.37)[0], Decide(policies, unit, noon, 0.37)[0]; a != b {
			t.Errorf("%+v and %+v", a, b)
		}
	})
	for _, c := range []struct {
		class record.Class
		code  string
		bound int // of the error itself; 0 = none
		tries int
	}{
		{record.ClassTransient, "SERVER_UNAVAILABLE", 0, 8},
		{record.ClassContention, "UNABLE_TO_LOCK_ROW", 0, 8},
		{record.ClassReference, "INVALID_CROSS_REFERENCE_KEY", 0, 3},
		{record.ClassUnclassified, "SOMETHING_NEW", 0, 2},
		{record.ClassTransient, "UNKNOWN_EXCEPTION", 3, 3},
		{record.ClassData, "INVALID_EMAIL_ADDRESS", 0, 1},
	} {
		t.Run("after the last try of "+string(c.class)+" "+c.code+" the record is dead, never a try later", func(t *testing.T) {
			for attempt := 1; attempt <= c.tries+2; attempt++ {
				v := Decide(policies, []store.Failure{bounded(failed(c.class, c.code, attempt), c.bound)}, noon, 0.9)[0]
				if v.Dead != (attempt >= c.tries) {
					t.Errorf("after %d of %d tries: dead %t", attempt, c.tries, v.Dead)
				}
			}
		})
	}
	t.Run("an error with a bound of its own dies as unclassified", func(t *testing.T) {
		if v := Decide(policies, []store.Failure{bounded(failed(record.ClassTransient, "UNKNOWN_EXCEPTION", 3), 3)}, noon, 0)[0]; v.Class != string(record.ClassUnclassified) {
			t.Errorf("class %s", v.Class)
		}
	})
	t.Run("an unprocessed row is never dead and counts no try", func(t *testing.T) {
		for _, attempts := range []string{`[]`, `not json`, `[{"class":""},{"class":""}]`} {
			f := store.Failure{Outcome: record.OutcomeUnprocessed, Attempt: 7, Attempts: []byte(attempts)}
			if v := Decide(policies, []store.Failure{f}, noon, 0.5)[0]; v.Dead || v.Attempt != 7 || v.Class != "" {
				t.Errorf("%s: %+v", attempts, v)
			}
		}
	})
	t.Run("rows that are left unprocessed again and again wait longer and longer", func(t *testing.T) {
		once := Decide(policies, []store.Failure{{Outcome: record.OutcomeUnprocessed, Attempts: []byte(`[{"class":"data"},{"class":""}]`)}}, noon, 0.5)[0]
		thrice := Decide(policies, []store.Failure{{Outcome: record.OutcomeUnprocessed, Attempts: []byte(`[{"class":""},{"class":""},{"class":""}]`)}}, noon, 0.5)[0]
		if !thrice.Due.After(once.Due) {
			t.Errorf("%s and %s", once.Due, thrice.Due)
		}
	})
	t.Run("a missing row counts as a transient try", func(t *testing.T) {
		f := store.Failure{Outcome: record.OutcomeMissing, Attempt: 1, Attempts: []byte(`[]`)}
		if v := Decide(policies, []store.Failure{f}, noon, 0.5)[0]; v.Dead || v.Class != string(record.ClassTransient) || v.Code != "MISSING" {
			t.Errorf("%+v", v)
		}
		f.Attempt = 8
		if v := Decide(policies, []store.Failure{f}, noon, 0.5)[0]; !v.Dead {
			t.Errorf("after 8 tries: %+v", v)
		}
	})
	t.Run("quota waits and is never dead", func(t *testing.T) {
		if v := Decide(policies, []store.Failure{failed(record.ClassQuota, "REQUEST_LIMIT_EXCEEDED", 100)}, noon, 0.5)[0]; v.Dead {
			t.Errorf("%+v", v)
		}
	})
	t.Run("records of one row stay together", rapid.MakeCheck(func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "records")
		unit := make([]store.Failure, n)
		for i := range unit {
			unit[i] = failed(record.ClassTransient, "X", rapid.IntRange(0, 10).Draw(t, "attempt"))
		}
		var due time.Time
		for i, v := range Decide(policies, unit, noon, rapid.Float64Range(0, 0.999).Draw(t, "rnd")) {
			if v.Dead != (unit[i].Attempt >= 8) {
				t.Fatalf("attempt %d: dead %t", unit[i].Attempt, v.Dead)
			}
			if v.Dead {
				continue
			}
			if due.IsZero() {
				due = v.Due
			}
			if !v.Due.Equal(due) || v.Due.Before(noon) || v.Due.After(noon.Add(10*time.Minute)) {
				t.Fatalf("due %s and %s", v.Due, due)
			}
		}
	}))
	t.Run("short waits never exceed two seconds", rapid.MakeCheck(func(t *rapid.T) {
		class := rapid.SampledFrom(record.Classes()).Draw(t, "class")
		v := Decide(policies.Short(), []store.Failure{failed(class, "X", rapid.IntRange(0, 9).Draw(t, "attempt"))}, noon, rapid.Float64Range(0, 0.999).Draw(t, "rnd"))[0]
		if !v.Dead && v.Due.After(noon.Add(2*time.Second)) {
			t.Fatalf("%+v", v)
		}
	}))
}

func TestPick(t *testing.T) {
	t.Run("takes each entity once, its oldest unit, in the order of the stream, within the bound", rapid.MakeCheck(func(t *rapid.T) {
		n := rapid.IntRange(0, 40).Draw(t, "units")
		units := make([]Unit, n)
		for i := range units {
			units[i] = Unit{{
				FailureID: int64(i), EntityHash: record.Hash{byte(rapid.IntRange(0, 9).Draw(t, "entity"))},
				Place: record.Place{Seq: uint64(rapid.IntRange(1, 30).Draw(t, "seq")), Idx: uint32(i)},
			}}
		}
		most := rapid.IntRange(1, 50).Draw(t, "most")
		picked := Pick(units, most)
		oldest := map[record.Hash]record.Place{}
		for _, u := range units {
			if have, ok := oldest[u[0].EntityHash]; !ok || u[0].Place.Less(have) {
				oldest[u[0].EntityHash] = u[0].Place
			}
		}
		if want := min(len(oldest), most); len(picked) != want {
			t.Fatalf("%d picked, want %d", len(picked), want)
		}
		for i, u := range picked {
			if u[0].Place != oldest[u[0].EntityHash] {
				t.Fatalf("entity %v goes with %v, its oldest is %v", u[0].EntityHash, u[0].Place, oldest[u[0].EntityHash])
			}
			if i > 0 && older(u.oldest(), picked[i-1].oldest()) < 0 {
				t.Fatalf("%v after %v", u.oldest().Place, picked[i-1].oldest().Place)
			}
		}
	}))
}

func TestPickByVersion(t *testing.T) {
	t.Run("an older version never follows a newer one of its entity, however they stand in the stream", rapid.MakeCheck(func(t *rapid.T) {
		var units []Unit
		for i := range rapid.IntRange(0, 30).Draw(t, "units") {
			v, err := record.ParseVersion(record.VersionNumber, fmt.Sprint(rapid.IntRange(-5, 20).Draw(t, "version")))
			if err != nil {
				t.Fatal(err)
			}
			units = append(units, Unit{{
				FailureID: int64(i), EntityHash: record.Hash{byte(rapid.IntRange(0, 4).Draw(t, "entity"))}, Version: v,
				Place: record.Place{Seq: uint64(rapid.IntRange(1, 30).Draw(t, "seq")), Idx: uint32(i)},
			}})
		}
		// Sent one after the other, as one chunk follows the other.
		last := map[record.Hash]store.Waiting{}
		for len(units) > 0 {
			picked := Pick(units, 5)
			for _, u := range picked {
				if before, ok := last[u[0].EntityHash]; ok && older(u[0], before) < 0 {
					t.Fatalf("%+v follows %+v", u[0], before)
				}
				last[u[0].EntityHash] = u[0]
				units = slices.DeleteFunc(units, func(x Unit) bool { return x[0].FailureID == u[0].FailureID })
			}
		}
	}))
}

func TestCellsOf(t *testing.T) {
	header := []string{"External_Id__c", "Name", "Phone", "LeadSource"}
	columns := func(ordinals ...int) record.Bitmap {
		var b record.Bitmap
		for _, n := range ordinals {
			b.Set(n)
		}
		return b
	}
	row := store.FailureRow{Header: header, Cells: []string{"a1", "Ann", "555", "Web"}, RowRecords: 2}
	first, second := row, row
	first.Columns, second.Columns = columns(0, 1), columns(0, 2)
	rows := map[int64]store.FailureRow{1: first, 2: second}
	keep := rowKeeps{keyField: "External_Id__c", constants: map[string]bool{"LeadSource": true}, ordinals: map[string]int{"External_Id__c": 0, "Name": 1, "Phone": 2, "LeadSource": 3}}
	for _, c := range []struct {
		name string
		unit Unit
		want []string
	}{
		{"a whole row goes as it went before", Unit{{FailureID: 1}, {FailureID: 2}}, []string{"a1", "Ann", "555", "Web"}},
		{"of a part of a row go the columns that it names, the external id and the constants", Unit{{FailureID: 2}}, []string{"a1", "", "555", "Web"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := cellsOf(c.unit, rows, keep)
			for i := range c.want {
				if got[i] != c.want[i] {
					t.Errorf("cells %q, want %q", got, c.want)
					break
				}
			}
		})
	}
}
