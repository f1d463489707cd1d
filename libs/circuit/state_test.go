package circuit

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/libs/record"
)

// noon is a moment of the ledger's clock, at the time after it.
func noon(after time.Duration) time.Time {
	return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC).Add(after)
}

// known is a row of a service that saw a failure at a time and allows the next call at another.
func known(service string, failures int, failed, next time.Duration) row {
	return row{
		service: service, class: record.ClassTransient, failures: failures, cause: "by " + service,
		openedAt: noon(0), failedAt: noon(failed), nextCallAt: noon(next),
	}
}

// closed is the row after a closing.
func closed(r row, after time.Duration) row {
	at := noon(after)
	r.closedAt = &at
	return r
}

func TestMerge(t *testing.T) {
	s := time.Second
	for _, test := range []struct {
		name     string
		rows     []row
		open     bool
		next     time.Duration
		failures int
		cause    string
	}{
		{"nobody knows anything: closed", nil, false, 0, 0, ""},
		{"one service saw a failure: open", []row{known("poller", 1, 1*s, 3*s)}, true, 3 * s, 1, "by poller"},
		{"it saw an answer after it: closed", []row{closed(known("poller", 1, 1*s, 3*s), 2*s)}, false, 0, 0, ""},
		{"another one saw an answer after it: closed", []row{known("poller", 3, 5*s, 9*s), closed(known("submitter", 1, 1*s, 3*s), 6*s)}, false, 0, 0, ""},
		{"an answer in the same moment closes", []row{closed(known("poller", 1, 1*s, 3*s), 1*s)}, false, 0, 0, ""},
		{"an answer before the failure does not count", []row{closed(known("poller", 2, 5*s, 9*s), 4*s)}, true, 9 * s, 2, "by poller"},
		{"who failed last says why, and how often", []row{known("submitter", 3, 7*s, 20*s), known("poller", 2, 5*s, 9*s)}, true, 20 * s, 3, "by submitter"},
		{"the latest next call counts, whoever allows it", []row{known("submitter", 3, 7*s, 20*s), known("poller", 2, 5*s, 30*s)}, true, 30 * s, 3, "by submitter"},
		{"what a closed row allows does not count", []row{known("submitter", 1, 7*s, 9*s), closed(known("poller", 2, 5*s, 30*s), 6*s)}, true, 9 * s, 1, "by submitter"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := merge(test.rows)
			if got.open != test.open || got.failures != test.failures || got.cause != test.cause || test.open && !got.nextCallAt.Equal(noon(test.next)) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestLeave(t *testing.T) {
	p := DefaultPolicy()
	open := merge([]row{known("poller", 2, 0, 30*time.Second)})
	for _, test := range []struct {
		name string
		s    state
		at   time.Duration
		want time.Duration
	}{
		{"a closed circuit leaves every call", state{}, 0, 0},
		{"an open one makes them wait for their time", open, 10 * time.Second, 20 * time.Second},
		{"then somebody has to try", open, 30 * time.Second, 0},
		{"while somebody tries the others ask again soon", state{row: p.tried(open, noon(30*time.Second)), open: true}, 30 * time.Second, time.Second},
		{"one that takes too long lets another one try", state{row: p.tried(open, noon(30*time.Second)), open: true}, 40 * time.Second, 0},
		{"one that told nothing hands its right on", state{row: handedBack(open, noon(31*time.Second)), open: true}, 31 * time.Second, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := p.leave(test.s, noon(test.at)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	t.Run("a wait can always be told from a call under way", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			p := rapid.SampledFrom([]Policy{DefaultPolicy(), ShortPolicy()}).Draw(t, "policy")
			s := state{open: true, row: row{class: record.ClassTransient, failures: rapid.IntRange(1, 9).Draw(t, "failures"), failedAt: noon(0)}}
			if rapid.Bool().Draw(t, "quota") {
				s.class = record.ClassQuota
			}
			wait := p.spread(p.wait(s.class, s.failures), rapid.Float64Range(0, 0.999999).Draw(t, "draw"))
			s.nextCallAt = noon(wait)
			if got := p.leave(s, noon(0)); got != wait {
				t.Fatalf("a wait of %s reads as %s", wait, got)
			}
			s.row = p.tried(s, noon(wait))
			if got := p.leave(s, noon(wait)); got != p.Ask {
				t.Fatalf("a call under way reads as a wait of %s", got)
			}
		})
	})
}

func TestFailed(t *testing.T) {
	p := DefaultPolicy()
	away := failure{record.ClassTransient, "503"}
	used := failure{record.ClassQuota, "403"}
	s := time.Second
	open := merge([]row{known("poller", 2, 10*s, 40*s)})
	shut := merge([]row{closed(known("poller", 2, 10*s, 40*s), 50*s)})
	for _, test := range []struct {
		name          string
		s             state
		f             failure
		began, probed time.Duration // probed 0 = it was no try
		at            time.Duration
		counts        bool
		failures      int
		next          time.Duration
	}{
		{"the first one opens for two seconds", state{}, away, 0, 0, 1 * s, true, 1, 3 * s},
		{"a try that failed makes the wait longer", open, away, 40 * s, 10 * s, 41 * s, true, 3, 96 * s},
		{"what was under way when it opened changes nothing", open, away, 9 * s, 0, 11 * s, false, 0, 0},
		{"what another process called before it heard changes nothing", open, away, 10*s + 1, 0, 11 * s, false, 0, 0},
		{"a try that took so long that another was made changes nothing", open, away, 5 * s, 2 * s, 60 * s, false, 0, 0},
		{"what was under way when it was closed changes nothing", shut, away, 49 * s, 0, 51 * s, false, 0, 0},
		{"a call after the closing opens it again, for two seconds", shut, away, 51 * s, 0, 52 * s, true, 1, 54 * s},
		{"a used-up limit makes it wait for minutes", state{}, used, 0, 0, 1 * s, true, 1, 301 * s},
		{"another kind of failure begins with its first wait", open, used, 40 * s, 10 * s, 41 * s, true, 1, 341 * s},
	} {
		t.Run(test.name, func(t *testing.T) {
			var probed time.Time
			if test.probed != 0 {
				probed = noon(test.probed)
			}
			got, counts := p.failed(test.s, test.f, noon(test.began), probed, noon(test.at), 0)
			if counts != test.counts || counts && (got.failures != test.failures || !got.nextCallAt.Equal(noon(test.next)) || got.cause != test.f.cause) {
				t.Errorf("got %v, %+v", counts, got)
			}
			if counts && !merge([]row{got}).open {
				t.Errorf("it is not open: %+v", got)
			}
		})
	}
	t.Run("in the moment of a closing opens all the same", func(t *testing.T) {
		got, counts := p.failed(shut, away, noon(50*s), time.Time{}, noon(50*s), 0)
		if rows := []row{closed(known("poller", 2, 10*s, 40*s), 50*s), got}; !counts || !merge(rows).open {
			t.Errorf("%v, %+v", counts, got)
		}
	})
}

func TestPolicies(t *testing.T) {
	t.Run("in five minutes without an answer six tries are made, and the longest wait lets work go on within a minute", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			p, s, now, tries := DefaultPolicy(), state{}, noon(0), 0
			draw := func() float64 { return rapid.Float64Range(0, 0.999999).Draw(t, "draw") }
			for {
				var probed time.Time
				if s.open {
					probed = s.failedAt
				}
				r, counts := p.failed(s, failure{record.ClassTransient, "503"}, now, probed, now, draw())
				if !counts {
					t.Fatal("a failure does not count")
				}
				s = merge([]row{r})
				wait := p.leave(s, now)
				if wait <= 0 || wait > 58*time.Second {
					t.Fatalf("a wait of %s", wait)
				}
				if now = now.Add(wait); now.Sub(noon(0)) >= 5*time.Minute {
					break
				}
				tries++
			}
			if tries != 6 {
				t.Fatalf("%d tries", tries)
			}
		})
	})
	t.Run("waits only grow, and those of one machine are short", func(t *testing.T) {
		for _, p := range []Policy{DefaultPolicy(), ShortPolicy()} {
			for _, class := range []record.Class{record.ClassTransient, record.ClassQuota} {
				for n := range 10 {
					if p.wait(class, n+1) < p.wait(class, n) {
						t.Error(fmt.Sprint(class, n))
					}
				}
			}
		}
		if p := ShortPolicy(); p.wait(record.ClassTransient, 99) > time.Second || p.wait(record.ClassQuota, 99) > 5*time.Second {
			t.Error("too long")
		}
	})
}

// Three services and an org that is there or not, in any order: whatever each saw, the circuit closes by the first answer, opens by a failure after it, and
// never allows a try earlier than its own word.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, now, rows := DefaultPolicy(), noon(0), []row(nil)
		for range rapid.IntRange(1, 30).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "pause")) * time.Second)
			service := rapid.SampledFrom([]string{"submitter", "poller", "reconciler"}).Draw(t, "service")
			s := merge(rows)
			if wait := p.leave(s, now); wait > 0 {
				now = now.Add(wait)
			}
			var probed time.Time
			if s.open {
				if p.leave(s, now) > 0 {
					t.Fatal("the wait was not the whole wait")
				}
				probed = s.failedAt
				rows = replaced(rows, service, p.tried(s, now))
				if merged := merge(rows); p.leave(merged, now) != p.Ask || !merged.failedAt.Equal(probed) {
					t.Fatalf("two may try at once: %+v", merged)
				}
			}
			switch rapid.SampledFrom([]string{"answer", "failure", "nothing"}).Draw(t, "came") {
			case "answer":
				if s := merge(rows); s.open {
					rows = replaced(rows, service, closedBy(s, now))
				}
				if merge(rows).open {
					t.Fatal("open after an answer")
				}
			case "failure":
				r, counts := p.failed(merge(rows), failure{record.ClassTransient, "503"}, now, probed, now, 0)
				if !counts {
					t.Fatal("a failure that was to be counted is not")
				}
				if r.failures != s.failures+1 && s.open {
					t.Fatalf("%d failures after %d", r.failures, s.failures)
				}
				if rows = replaced(rows, service, r); !merge(rows).open {
					t.Fatal("closed after a failure")
				}
			case "nothing":
				if s.open {
					if rows = replaced(rows, service, handedBack(merge(rows), now)); p.leave(merge(rows), now) != 0 {
						t.Fatal("nobody may try")
					}
				}
			}
		}
	})
}
