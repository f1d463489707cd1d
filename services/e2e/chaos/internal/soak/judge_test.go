package soak

import (
	"slices"
	"strings"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/internal/org"
)

// judged is a judge over a small load, and its record of a sort that is of a row of its own.
type judged struct {
	*judge
	first [sorts]int64
}

func newJudged(t *testing.T) judged {
	t.Helper()
	l := Load{Records: 30_000, Failing: 1000}
	out := judged{judge: newJudge(l, l.Counts())}
	found := 0
	for i := range l.Records {
		if s := l.sort(i); out.first[s] == 0 && i > 0 && l.target(i) < 0 && l.update(i) < 0 {
			out.first[s] = i
			found++
		}
	}
	if found != int(sorts) {
		t.Fatalf("%d sorts", found)
	}
	return out
}

// all gives the judge everything as it must be, but for what change does to it.
func (j judged) all(rows func(map[int64][]saved), letters func(map[int64][]history.Letter), versions map[string][]org.Version) []string {
	there, dead := map[int64][]saved{}, map[int64][]history.Letter{}
	for i := range j.load.Records {
		s := j.load.sort(i)
		switch {
		case s.Dead():
			dead[i] = []history.Letter{{ID: numbered("letter-", i), Key: numbered(eventPrefix, i), Code: s.code()}}
		case j.load.target(i) < 0:
			row := j.load.row(i)
			there[i] = []saved{{Versions: j.most(i), Fields: &row}}
		}
	}
	if rows != nil {
		rows(there)
	}
	if letters != nil {
		letters(dead)
	}
	seen, ids := make([]uint64, (j.load.Records+63)/64), map[int64]string{}
	for i := range j.load.Records {
		for _, s := range there[i] {
			if key := j.row(s, seen); key != "" {
				j.versions(key, versions[key])
			}
		}
		for _, l := range dead[i] {
			j.letter(l, ids)
		}
	}
	j.missing(seen)
	j.unwritten(ids)
	return j.judge.all()
}

func TestJudge(t *testing.T) {
	t.Run("finds nothing where everything is as it must be", func(t *testing.T) {
		j := newJudged(t)
		if got := j.all(nil, nil, nil); len(got) > 0 || j.seen.Rows != j.want.Rows || j.seen.Letters != j.want.Dead {
			t.Errorf("%q, %+v of %+v", got, j.seen, j.want)
		}
	})
	for name, c := range map[string]struct {
		rows     func(j judged, rows map[int64][]saved)
		letters  func(j judged, letters map[int64][]history.Letter)
		versions []org.Version
		want     string
	}{
		"a row that is not there":   {rows: func(j judged, rows map[int64][]saved) { delete(rows, j.first[Sound]) }, want: "lost"},
		"a row that is there twice": {rows: func(j judged, rows map[int64][]saved) { i := j.first[Once]; rows[i] = append(rows[i], rows[i]...) }, want: "doubled"},
		"a row of a dead record": {rows: func(j judged, rows map[int64][]saved) {
			row := j.load.row(j.first[Unknown])
			rows[j.first[Unknown]] = []saved{{Versions: 1, Fields: &row}}
		}, want: "false_failure"},
		"a row that nobody published": {rows: func(_ judged, rows map[int64][]saved) {
			rows[0] = append(rows[0], saved{Versions: 1, Fields: &Row{ID: "R-1"}})
		}, want: "foreign"},
		"a row of a record that is only an update": {rows: func(j judged, rows map[int64][]saved) {
			for i := range j.load.Records {
				if j.load.target(i) >= 0 {
					row := Row{ID: numbered(rowPrefix, i)}
					rows[i] = []saved{{Versions: 1, Fields: &row}}
					return
				}
			}
		}, want: "foreign"},
		"an older value": {rows: func(j judged, rows map[int64][]saved) {
			for i := range j.load.Records {
				if j.load.update(i) >= 0 {
					rows[i][0].Fields.Value = value(i)
					return
				}
			}
		}, want: "stale"},
		"a field that an update took away": {rows: func(j judged, rows map[int64][]saved) { rows[j.first[Sound]][0].Fields.Meter = "" }, want: "stale"},
		"a row that two jobs saved": {
			rows:     func(j judged, rows map[int64][]saved) { rows[j.first[Sound]][0].Versions = 2 },
			versions: []org.Version{{Job: "750a"}, {Job: "750b"}}, want: "resent",
		},
		"a dead record without a letter": {letters: func(j judged, letters map[int64][]history.Letter) { delete(letters, j.first[Refused]) }, want: "lost"},
		"two letters of a record": {letters: func(j judged, letters map[int64][]history.Letter) {
			i := j.first[Invalid]
			letters[i] = append(letters[i], history.Letter{ID: "another", Key: letters[i][0].Key, Code: letters[i][0].Code})
		}, want: "doubled"},
		"a letter of what landed": {letters: func(j judged, letters map[int64][]history.Letter) {
			letters[0] = []history.Letter{{ID: "l", Key: numbered(eventPrefix, j.first[Twice]), Code: "UNABLE_TO_LOCK_ROW"}}
		}, want: "false_failure"},
		"a letter with another code":  {letters: func(j judged, letters map[int64][]history.Letter) { letters[j.first[Unknown]][0].Code = "NOT_JSON" }, want: "false_failure"},
		"a letter of nobody's record": {letters: func(_ judged, letters map[int64][]history.Letter) { letters[0] = []history.Letter{{ID: "l", Key: "x"}} }, want: "foreign"},
	} {
		t.Run("finds "+name, func(t *testing.T) {
			j := newJudged(t)
			var rows func(map[int64][]saved)
			if c.rows != nil {
				rows = func(all map[int64][]saved) { c.rows(j, all) }
			}
			var letters func(map[int64][]history.Letter)
			if c.letters != nil {
				letters = func(all map[int64][]history.Letter) { c.letters(j, all) }
			}
			got := j.all(rows, letters, map[string][]org.Version{numbered(rowPrefix, j.first[Sound]): c.versions})
			if len(got) == 0 || !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, c.want+": ") }) {
				t.Errorf("%q, want %s", got, c.want)
			}
		})
	}
	t.Run("bears a letter that lies there twice, and a row that a call saved again", func(t *testing.T) {
		j := newJudged(t)
		got := j.all(func(rows map[int64][]saved) { rows[j.first[Sound]][0].Versions = 2 }, func(letters map[int64][]history.Letter) {
			i := j.first[Invalid]
			letters[i] = append(letters[i], letters[i]...)
		}, map[string][]org.Version{numbered(rowPrefix, j.first[Sound]): {{}, {}}})
		if len(got) > 0 || j.seen.CallsOnce != 1 {
			t.Errorf("%q, %+v", got, j.seen)
		}
	})
	t.Run("tells a few of many", func(t *testing.T) {
		j := newJudged(t)
		got := j.all(func(rows map[int64][]saved) { clear(rows) }, nil, nil)
		if len(got) != told+1 || !strings.HasSuffix(got[told], " more") {
			t.Errorf("%q", got)
		}
	})
	t.Run("holds the balance to what must come of it", func(t *testing.T) {
		good := func(j judged) history.Balance {
			return history.Balance{Accepted: j.want.Records, Landed: j.want.Landed, Dead: j.want.Dead, Repeats: 500}
		}
		for name, change := range map[string]func(*history.Balance){
			"accepted": func(b *history.Balance) { b.Accepted-- }, "landed": func(b *history.Balance) { b.Landed++ }, "dead": func(b *history.Balance) { b.Dead-- },
			"superseded": func(b *history.Balance) { b.Superseded++ }, "unread": func(b *history.Balance) { b.Unread++ }, "unresolved": func(b *history.Balance) { b.Unresolved++ },
		} {
			j := newJudged(t)
			b := good(j)
			if j.balance(b); len(j.judge.all()) > 0 {
				t.Errorf("%q", j.judge.all())
			}
			change(&b)
			if j.balance(b); len(j.judge.all()) != 1 {
				t.Errorf("%s: %q", name, j.judge.all())
			}
		}
	})
	t.Run("finds a job that was closed and did not end, and counts those that were left open", func(t *testing.T) {
		j := newJudged(t)
		j.jobs([]org.Job{{ID: "a", State: "JobComplete", Closed: true}, {ID: "b", State: "InProgress", Closed: true}, {ID: "c", State: "Open"}, {ID: "d", State: "Aborted"}})
		if got := j.judge.all(); len(got) != 1 || !strings.HasPrefix(got[0], "orphaned: job b") || j.seen.Jobs != 1 || j.seen.LeftOpen != 1 {
			t.Errorf("%q, %+v", got, j.seen)
		}
	})
}
