package soak

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"

	"bulkhead/libs/pipeline"
)

// said is a record as the pipeline reads it.
type said struct {
	Event   string `json:"event"`
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Value   any    `json:"value"`
	Meter   string `json:"meter"`
	Place   string `json:"place"`
	Mail    string `json:"mail"`
	Remarks string `json:"remarks"`
}

func TestLoad(t *testing.T) {
	l := Load{Records: 600_000, Failing: 200}
	t.Run("its counts are those of its records, carried out one after the other", func(t *testing.T) {
		rows, got := map[string]Row{}, Counts{Records: l.Records}
		for i := range l.Records {
			var r said
			if err := json.Unmarshal(l.Record(nil, i).Body, &r); err != nil || r.Event != numbered(eventPrefix, i) {
				t.Fatalf("record %d: %+v, %v", i, r, err)
			}
			s := l.sort(i)
			if s != Sound {
				got.Failing++
			}
			if s.Dead() {
				got.Dead++
				continue
			}
			got.Landed++
			value, ok := r.Value.(float64)
			if !ok {
				t.Fatalf("record %d lands with the value %v", i, r.Value)
			}
			row, there := rows[r.ID]
			row.ID, row.Value, row.Remarks = r.ID, strconv.FormatFloat(value, 'f', -1, 64), r.Remarks
			if there {
				got.Updates++
			} else {
				row.Kind, row.Meter, row.Place, row.Mail = r.Kind, r.Meter, r.Place, r.Mail
			}
			rows[r.ID] = row
		}
		got.Rows = int64(len(rows))
		if want := l.Counts(); got != want {
			t.Errorf("%+v, counted %+v", want, got)
		}
		for id, row := range rows {
			if want := l.row(number(id, rowPrefix)); row != want {
				t.Fatalf("the last record of %s leaves %+v, wanted is %+v", id, row, want)
			}
		}
	})
	t.Run("has every sort in its share, and updates near by and far off", func(t *testing.T) {
		n, updates := [sorts]int{}, map[int64]int{}
		for i := range l.Records {
			n[l.sort(i)]++
			if at := l.target(i); at >= 0 {
				updates[i-at]++
			}
		}
		each := int(l.Records) / perTenThousand * l.Failing / len(shares)
		if n[Once] != 12*each || n[Twice] != 5*each || n[Invalid] != each || n[Unknown] != each || n[Refused] != each {
			t.Errorf("%v, a share is %d", n, each)
		}
		if len(updates) != 2 || updates[near] < 10_000 || updates[far] < 10_000 {
			t.Errorf("updates by distance: %v", updates)
		}
	})
	t.Run("nobody updates an update, and nothing is updated twice", func(t *testing.T) {
		updated := map[int64]bool{}
		for i := range l.Records {
			at := l.target(i)
			if at < 0 {
				continue
			}
			if updated[at] || l.target(at) >= 0 || l.update(at) != i {
				t.Fatalf("record %d is an update of %d, whose update is %d", i, at, l.update(at))
			}
			updated[at] = true
		}
	})
	t.Run("nothing fails where nothing shall, and everything where all shall", func(t *testing.T) {
		if c := (Load{Records: 30_000}).Counts(); c.Failing != 0 || c.Landed != 30_000 || c.Dead != 0 {
			t.Errorf("%+v", c)
		}
		if c := (Load{Records: 30_000, Failing: perTenThousand}).Counts(); c.Failing != 30_000 || c.Dead != 4_500 || c.Updates != 0 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("a record is of some 250 bytes", func(t *testing.T) {
		var sum int
		for i := range int64(1000) {
			sum += len(l.Record(nil, i).Body)
		}
		if mean := float64(sum) / 1000; math.Abs(mean-250) > 25 {
			t.Errorf("%.0f bytes", mean)
		}
	})
	t.Run("its definition is sound", func(t *testing.T) {
		if _, _, err := pipeline.ParseDefinition(definition()); err != nil {
			t.Error(err)
		}
	})
	t.Run("its names hold their numbers", func(t *testing.T) {
		for _, n := range []int64{0, 7, 999_999_999_999, 1_000_000_000_000} {
			if got := number(numbered(rowPrefix, n), rowPrefix); got != n {
				t.Errorf("%d, want %d", got, n)
			}
		}
		for _, name := range []string{"", "R-", "R-7", "R--00000000007", "e-000000000007", "R-000000000007 "} {
			if got := number(name, rowPrefix); got != -1 {
				t.Errorf("%q is number %d", name, got)
			}
		}
	})
}
