package trial

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"bulkhead/services/e2e/internal/meter"
)

const (
	// shareEvery is how often PostgreSQL's memory is looked at: adding it up takes some milliseconds.
	shareEvery = time.Second
	// backendsEvery is how often it is looked who works there: what a process did since the last look before its end belongs to nobody.
	backendsEvery = 250 * time.Millisecond
	// endedBackends are the postmaster, and sessions that ended before it was asked whose they were.
	endedBackends = "ended meanwhile"
)

// watchShares looks at PostgreSQL's memory until the function that it returns is called, which says the most that was seen.
func (r *run) watchShares(ctx context.Context) func() int64 {
	ctx, cancel := context.WithCancel(ctx)
	most := make(chan int64, 1)
	go func() {
		var peak int64
		for {
			if n, err := meter.Shared(r.parts.Postgres); err == nil { // without the right to look it stays unknown: 0
				peak = max(peak, n)
			}
			if !sleep(ctx, shareEvery) {
				most <- peak
				return
			}
		}
	}()
	return func() int64 {
		cancel()
		return <-most
	}
}

// seen is what was last seen of a process.
type seen struct {
	used  time.Duration
	title string
}

// watchBackends looks at PostgreSQL's processes until the function that it returns is called, which says what was last seen of each.
func (r *run) watchBackends(ctx context.Context) func() map[int]seen {
	ctx, cancel := context.WithCancel(ctx)
	all := make(chan map[int]seen, 1)
	go func() {
		known := map[int]seen{}
		for {
			used, err := meter.Each(r.parts.Postgres)
			if err != nil {
				used = nil // whoever waits for the load hears of it
			}
			for pid, d := range used {
				s, met := known[pid]
				if !met {
					s.title = meter.Title(pid)
				}
				s.used = d
				known[pid] = s
			}
			if !sleep(ctx, backendsEvery) {
				all <- known
				return
			}
		}
	}()
	return func() map[int]seen {
		cancel()
		return <-all
	}
}

// byWhom says for whom PostgreSQL worked. before is what each of its processes had used at the start, watched what was last seen of each.
func (r *run) byWhom(ctx context.Context, before map[int]time.Duration, watched map[int]seen) error {
	now, err := meter.Each(r.parts.Postgres)
	if err != nil {
		return err
	}
	names, err := r.ledger.backends(ctx)
	if err != nil {
		return err
	}
	delete(now, r.ledger.backend)
	delete(watched, r.ledger.backend)
	out, rest := map[string]float64{}, r.out.CPU.Postgres
	add := func(name string, d time.Duration) {
		out[name] += d.Seconds()
		rest -= d.Seconds()
	}
	for pid, used := range now {
		name := names[strconv.Itoa(pid)]
		if name == "" {
			name = endedBackends // it is the postmaster, or ended just now
		}
		add(name, used-before[pid])
	}
	for pid, s := range watched {
		if _, runs := now[pid]; !runs {
			add(worker(s.title), s.used-before[pid])
		}
	}
	out[endedBackends] = max(0, out[endedBackends]+rest)
	r.out.PostgresBy = out
	return nil
}

// worker names those of PostgreSQL's processes that come and go by themselves, by their title.
func worker(title string) string {
	kinds := []string{"autovacuum worker", "parallel worker"}
	if i := slices.IndexFunc(kinds, func(kind string) bool { return strings.Contains(title, kind) }); i >= 0 {
		return kinds[i]
	}
	return endedBackends
}
