package inject

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/load"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// binaries builds what is tested into a directory that is kept.
func binaries(t *testing.T) string {
	t.Helper()
	dir, err := stack.BuildKept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// open is a directory that PostgreSQL's own user may enter.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bulkhead-inject-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// timeline keeps the events of a run.
type timeline struct {
	mu     sync.Mutex
	events []history.Event
}

func (l *timeline) record(e history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *timeline) of(what string) map[string][]history.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string][]history.Event{}
	for _, e := range l.events {
		if e.What == what {
			out[e.Fault] = append(out[e.Fault], e)
		}
	}
	return out
}

func (l *timeline) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, e := range l.events {
		fmt.Fprintf(&b, "%7.0f %-9s %-4s %-15s %-22s %s %t %s\n", e.At, e.What, e.Fault, e.Kind, e.Target, e.Point, e.Done, e.Text)
	}
	return b.String()
}

// everyKind is a plan with each kind of fault, some of them at the same time. The points are passed by services that have nothing to do.
func everyKind() history.Plan {
	p := history.Plan{Version: 1, Seed: 7, Records: 400, FaultsFor: 14_000, RowsPerSecond: 5_000}
	add := func(f history.Fault) {
		f.ID = fmt.Sprintf("f%02d", len(p.Faults)+1)
		p.Faults = append(p.Faults, f)
	}
	add(history.Fault{At: 200, Kind: history.Org, Target: "org", OrgKind: "status", Script: []byte(`[{"effect":{"kind":"status","status":503},"times":3}]`)})
	add(history.Fault{At: 250, Kind: history.Kill, Target: "submitter-1"})
	add(history.Fault{At: 300, Kind: history.KillPoint, Target: "poller-1", Point: "poller.claim.before_commit", For: 3_000})
	add(history.Fault{At: 350, Kind: history.KillTwice, Target: "extractor-2", Point: "extractor.free.before_commit", For: 3_000})
	add(history.Fault{At: 400, Kind: history.PausePoint, Target: "reconciler-1", Point: "reconciler.claim.after_commit", For: 2_600})
	add(history.Fault{At: 450, Kind: history.KillPoint, Target: "ops-1", Point: "ops.no.such_point", For: 500})
	add(history.Fault{At: 500, Kind: history.KillLong, Target: "retrier-1", For: 1_000})
	add(history.Fault{At: 600, Kind: history.Cut, Target: "submitter-2>postgres", For: 800})
	add(history.Fault{At: 700, Kind: history.HalfOpen, Target: "extractor-1>nats", For: 800})
	add(history.Fault{At: 800, Kind: history.Delay, Target: "services>org", For: 1_000})
	add(history.Fault{At: 900, Kind: history.Term, Target: "retrier-2"})
	add(history.Fault{At: 1_000, Kind: history.Pause, Target: "poller-2", For: 2_600})
	add(history.Fault{At: 1_400, Kind: history.StreamDelete, Target: "nats", Stream: "DLQ"})
	add(history.Fault{At: 1_500, Kind: history.ConsumerDel, Target: "nats", Stream: "FLOW"})
	add(history.Fault{At: 2_200, Kind: history.BrokerFull, Target: "nats", For: 700})
	add(history.Fault{At: 6_200, Kind: history.NATSRestart, Target: "nats"})
	add(history.Fault{At: 7_000, Kind: history.PGRestart, Target: "postgres"})
	add(history.Fault{At: 8_000, Kind: history.NATSKill, Target: "nats"})
	add(history.Fault{At: 9_000, Kind: history.PGKill, Target: "postgres"})
	add(history.Fault{At: 9_500, Kind: history.Operators, Target: "ops"})
	add(history.Fault{At: 9_600, Kind: history.Definition, Target: "ops"})
	add(history.Fault{At: 10_500, Kind: history.Pause, Target: "postgres", For: 500})
	add(history.Fault{At: 12_000, Kind: history.KillAll, Target: "all"})
	return p
}

// unreachable are the faults of everyKind that cannot be done.
var unreachable = map[string]bool{"f06": true}

func TestEveryKindOfFaultIsCarriedOut(t *testing.T) {
	bin := binaries(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cluster, err := stack.OpenCluster(ctx, open(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	dir, plan, seen := t.TempDir(), everyKind(), &timeline{}
	s, err := stack.Start(ctx, stack.Options{
		Dir: dir, Bin: bin, Plan: plan, Model: load.Model(), Definitions: load.Definitions(), Cluster: cluster, Record: seen.record,
	})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			if err := s.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		}
		if t.Failed() {
			t.Logf("timeline:\n%s", seen)
		}
	})

	out, err := history.Create(filepath.Join(dir, history.PublishedFile))
	if err != nil {
		t.Fatal(err)
	}
	loading, endLoad := context.WithCancel(ctx)
	loaded := make(chan error, 1)
	s.LoadStarted()
	go func() { loaded <- load.Run(loading, s.Target(), plan, out) }()
	// What people do is the load's to prove; here it is that they are asked.
	var asked sync.Map
	hook := func(name string) func(context.Context) error {
		return func(context.Context) error { asked.Store(name, true); return nil }
	}
	if err := Run(ctx, s, plan, Hooks{Operators: hook("operators"), Definition: hook("definition")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Heal(ctx); err != nil {
		t.Fatal(err)
	}
	endLoad()
	<-loaded // cut short: what becomes of the records is not asked here

	t.Run("each has one event, and happened unless its point does not exist", func(t *testing.T) {
		began := seen.of("fault")
		for _, f := range plan.Faults {
			events := began[f.ID]
			if len(events) != 1 || events[0].Kind != f.Kind || events[0].Done == unreachable[f.ID] {
				t.Errorf("%s, a %s of %s: %+v", f.ID, f.Kind, f.Target, events)
			}
		}
		for _, who := range []string{"operators", "definition"} {
			if _, yes := asked.Load(who); !yes {
				t.Errorf("%s were not asked", who)
			}
		}
	})
	t.Run("each that lasts has one end", func(t *testing.T) {
		ends := seen.of("fault_end")
		for _, f := range plan.Faults {
			want := 1
			if f.Kind == history.Org || unreachable[f.ID] {
				want = 0
			}
			if len(ends[f.ID]) != want {
				t.Errorf("%s, a %s of %s, ended %d times: %+v", f.ID, f.Kind, f.Target, len(ends[f.ID]), ends[f.ID])
			}
		}
	})
	t.Run("the processes told of their crash points", func(t *testing.T) {
		p := s.Points()
		for point, n := range map[string]int{"poller.claim.before_commit": 1, "extractor.free.before_commit": 2} {
			if p.Killed[point] != n {
				t.Errorf("killed %d times at %s, want %d", p.Killed[point], point, n)
			}
		}
		if p.Held["reconciler.claim.after_commit"] != 1 || len(p.Reached) < 20 {
			t.Errorf("held %v, reached %v", p.Held, p.Reached)
		}
	})
	t.Run("everything is ready again, and stays so", func(t *testing.T) {
		if err := s.WaitReady(ctx); err != nil {
			t.Error(err)
		}
		for _, name := range append(Instances(), stack.NATS, stack.Org) {
			if !s.Part(name).Alive() {
				t.Errorf("%s is down", name)
			}
		}
		for _, u := range s.OpsURLs() {
			if err := get(ctx, u+"/readyz"); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("no process is left after the stop, and nobody listens any more", func(t *testing.T) {
		stopped = true
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		for _, name := range append(Instances(), stack.NATS, stack.Org) {
			if s.Part(name).Alive() {
				t.Errorf("%s still runs", name)
			}
		}
		for _, address := range []string{strings.TrimPrefix(s.PlainNATSURL(), "nats://"), strings.TrimPrefix(s.NATSURL(), "nats://"), strings.TrimPrefix(s.OpsURLs()[0], "http://")} {
			if c, err := net.Dial("tcp", address); err == nil {
				_ = c.Close()
				t.Errorf("somebody listens on %s", address)
			}
		}
	})
	t.Run("nothing that was written shows a secret in a log", func(t *testing.T) {
		logs, err := filepath.Glob(filepath.Join(dir, "logs", "*.log"))
		if err != nil || len(logs) < 14 {
			t.Fatalf("%d logs, %v", len(logs), err)
		}
		for _, name := range logs {
			text, err := os.ReadFile(name)
			if err != nil || strings.Contains(string(text), s.Token()) {
				t.Errorf("%s: it shows a token, or cannot be read: %v", name, err)
			}
		}
	})
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
