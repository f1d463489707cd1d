package collect_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bulkhead/services/e2e/chaos/internal/collect"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/load"
	"bulkhead/services/e2e/chaos/internal/verdict"
	"bulkhead/services/e2e/chaos/internal/watch"
	"bulkhead/services/e2e/inprocess"
)

func product(t *testing.T) history.Target {
	t.Helper()
	o := inprocess.Options{Model: string(load.Model()), Orphans: "abort"}
	definitions := load.Definitions()
	names := slices.Sorted(maps.Keys(definitions))
	for _, name := range names {
		o.Definitions = append(o.Definitions, definitions[name])
	}
	s := inprocess.Start(t, o)
	s.TakesRecords(names...)
	start := time.Now()
	url := s.Conn.NC.ConnectedUrl()
	return history.Target{
		Pipelines: names, NATSURL: url, PlainNATSURL: url, AdminDSN: s.DB.AdminDSN, ControlURL: s.Sim.URL + "/sim", OpsURLs: []string{"http://127.0.0.1:1", s.OpsURL()},
		Since: func() float64 { return float64(time.Since(start).Microseconds()) / 1000 },
	}
}

func rest(t *testing.T, target history.Target, plan history.Plan) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	asked := target
	asked.OpsURLs = target.OpsURLs[1:]
	if err := watch.Rest(ctx, asked, nil); err != nil {
		t.Fatal(err)
	}
}

// A product to which nothing happens is dumped while one of its two instances of ops does not answer, and judged.
func TestADump(t *testing.T) {
	target, dir := product(t), t.TempDir()
	plan := history.Plan{Version: 1, Seed: 11, Records: 900, FaultsFor: 2000}
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(history.WriteJSON(at(history.PlanFile), plan))
	must(history.WriteJSON(at(history.PipelinesFile), load.Pipelines()))
	published, err := history.Create(at(history.PublishedFile))
	must(err)
	timeline, err := history.Create(at(history.TimelineFile))
	must(err)
	var mu sync.Mutex
	record := func(e history.Event) {
		mu.Lock()
		defer mu.Unlock()
		_ = timeline.Put(e) // Close says it
	}
	people := target
	people.OpsURLs = target.OpsURLs[1:]

	watching, stop := context.WithCancel(t.Context())
	defer stop()
	watched := make(chan error, 1)
	go func() { watched <- watch.Run(watching, people, dir) }()
	must(load.Run(t.Context(), target, plan, published))
	must(published.Close())
	rest(t, target, plan)
	must(load.Replay(t.Context(), people, plan, record))
	must(load.Heals(t.Context(), people, record))
	rest(t, target, plan)

	began := time.Now()
	must(collect.Run(t.Context(), target, dir))
	t.Logf("dumped in %s", time.Since(began))
	stop()
	must(<-watched)
	must(timeline.Close())
	must(history.WriteJSON(at(history.RunFile), history.Run{Seed: plan.Seed, Rested: true}))

	t.Run("holds everything", func(t *testing.T) {
		a, err := history.Load(dir)
		must(err)
		for what, n := range map[string]int{
			"rows of the org": len(a.Records), "jobs": len(a.Jobs), "uploaded rows": len(a.Rows), "calls": len(a.Calls), "landed": len(a.Landed),
			"open letters": len(a.Final.Open), "letters left": len(a.Final.Left), "other records": len(a.Final.Records), "balances": len(a.Final.Balance),
			"policies": len(a.Final.Attempts),
		} {
			if n == 0 {
				t.Errorf("there are no %s", what)
			}
		}
		if len(a.Final.Holes)+len(a.Final.Unsettled) > 0 {
			t.Errorf("at rest: %v, %v", a.Final.Holes, a.Final.Unsettled)
		}
	})
	t.Run("is judged to be as it must be", func(t *testing.T) {
		v, err := verdict.Judge(dir)
		must(err)
		for _, f := range v.Findings {
			t.Errorf("%+v", f)
		}
		t.Logf("checked: %v", v.Checked)
	})
	t.Run("is refused whole where a part cannot be had", func(t *testing.T) {
		without := target
		without.OpsURLs = target.OpsURLs[:1]
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := collect.Run(ctx, without, dir); err == nil {
			t.Error("nobody answered, and there is no error")
		}
		if v, err := verdict.Judge(dir); err != nil || !v.OK {
			t.Errorf("the dump before it is spoilt: %+v, %v", v.Findings, err)
		}
	})
}
