package load_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/load"
	"bulkhead/services/e2e/chaos/internal/watch"
	"bulkhead/services/e2e/inprocess"
)

// product is the whole of it in this process, as the load sees it.
func product(t *testing.T) (*inprocess.Stack, history.Target) {
	t.Helper()
	o := inprocess.Options{Model: string(load.Model()), Orphans: "abort"}
	definitions := load.Definitions()
	for _, name := range slices.Sorted(maps.Keys(definitions)) {
		o.Definitions = append(o.Definitions, definitions[name])
	}
	s := inprocess.Start(t, o)
	s.TakesRecords(slices.Sorted(maps.Keys(definitions))...)
	// Ops listens on a port of its own choice: this passes on.
	ops := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in any
		if body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20)); err == nil && len(body) > 0 {
			in = json.RawMessage(body)
		}
		status, answer, err := s.Call(r.Method, r.URL.RequestURI(), in)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(ops.Close)
	start := time.Now()
	return s, history.Target{
		Pipelines: slices.Sorted(maps.Keys(load.Definitions())), NATSURL: s.Conn.NC.ConnectedUrl(), PlainNATSURL: s.Conn.NC.ConnectedUrl(), AdminDSN: s.DB.AdminDSN, ControlURL: s.Sim.URL + "/sim",
		OpsURLs: []string{ops.URL, ops.URL}, Since: func() float64 { return float64(time.Since(start).Microseconds()) / 1000 },
	}
}

// TestLoadOnTheProduct publishes a load to a product to which nothing happens: every record ends as its Fate says.
func TestLoadOnTheProduct(t *testing.T) {
	s, target := product(t)
	dir := t.TempDir()
	plan := history.Plan{Version: 1, Seed: 5, Records: 1200, FaultsFor: 3000}
	out, err := history.Create(filepath.Join(dir, history.PublishedFile))
	if err != nil {
		t.Fatal(err)
	}
	watching, stop := context.WithCancel(t.Context())
	defer stop()
	watched := make(chan error, 1)
	go func() { watched <- watch.Run(watching, target, dir) }()
	if err := load.Run(t.Context(), target, plan, out); err != nil {
		t.Fatal(err)
	}
	t.Logf("published after %.1f s", target.Since()/1000)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	rest(t, target, plan)
	t.Logf("at rest after %.1f s, with %d jobs", target.Since()/1000, len(s.Sim.Jobs()))
	published, err := history.ReadAll[history.Publication](filepath.Join(dir, history.PublishedFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("every letter is one that was foretold, and every one that was foretold is there", func(t *testing.T) {
		checkLetters(t, dir, published)
	})

	var mu sync.Mutex
	var events []history.Event
	record := func(e history.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e)
	}
	t.Run("people change definitions, replay and discard, and are answered", func(t *testing.T) {
		for what, do := range map[string]func() error{
			"change": func() error { return load.Change(t.Context(), target, plan, record) },
			"resume": func() error { return load.Resume(t.Context(), target, record) },
		} {
			if err := do(); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if err := load.Replay(t.Context(), target, plan, record); err != nil {
			t.Fatal(err)
		}
		rest(t, target, plan)
		if err := load.Heals(t.Context(), target, record); err != nil {
			t.Fatal(err)
		}
		rest(t, target, plan)
		checkEvents(t, events)
	})
	stop()
	if err := <-watched; err != nil {
		t.Fatal(err)
	}
	t.Run("samples tell of balance, marks, progress and rows", func(t *testing.T) { checkSamples(t, dir) })
}

func rest(t *testing.T, target history.Target, plan history.Plan) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := watch.Rest(ctx, target, nil); err != nil {
		t.Fatal(err)
	}
}

// name is what a record is found by: its key, or where it has none its place in the stream.
type name struct {
	pipeline, key string
	seq           uint64
	index         int
}

// checkLetters compares the letters with what the log foretells. On a slow machine an answer may come too late: then a message lies in the
// stream more than once, or at a place that the log does not know, which is why keys come first.
func checkLetters(t *testing.T, dir string, published []history.Publication) {
	t.Helper()
	foretold, due := map[name]history.Publication{}, map[name]history.Publication{}
	for _, p := range published {
		if p.Answer == history.OK && p.Repeat {
			continue // the log has it already
		}
		n := name{pipeline: p.Pipeline, key: p.Key}
		if p.Key == "" {
			n = name{pipeline: p.Pipeline, seq: p.Seq, index: p.Index}
		}
		if p.Key == "" && p.Answer != history.OK {
			continue // it is exact: the try that is answered tells the place
		}
		foretold[n] = p
		if p.Fate != "" && !strings.HasPrefix(p.Fate, "heals/") {
			due[n] = p
		}
	}
	nameOf := func(l history.Letter) name {
		n := name{pipeline: l.Pipeline, key: l.Key}
		if _, known := foretold[n]; !known {
			n = name{pipeline: l.Pipeline, seq: l.Origin.Seq, index: l.Origin.Index}
		}
		return n
	}
	// The reader of letters may be a look behind.
	var letters []history.Letter
	inprocess.Within(5*time.Second, func() bool {
		var err error
		if letters, err = history.ReadAll[history.Letter](filepath.Join(dir, history.LettersFile)); err != nil {
			t.Fatal(err)
		}
		for _, l := range letters {
			delete(due, nameOf(l))
		}
		return len(due) == 0
	})
	for _, p := range due {
		t.Errorf("%s record %d (%s) has fate %q and no letter", p.Message, p.Record, p.Entity, p.Fate)
	}
	for _, l := range letters {
		p, known := foretold[nameOf(l)]
		fate := l.Class + "/" + l.Code
		switch {
		case !known:
			t.Errorf("a letter of nothing that was published: %+v", l)
		case p.Fate != fate && p.Fate != "heals/"+l.Class:
			t.Errorf("%s record %d (%s) has fate %q, its letter says %s: %s", p.Message, p.Record, p.Entity, p.Fate, fate, l.Text)
		}
	}
}

func checkEvents(t *testing.T, events []history.Event) {
	t.Helper()
	seen := map[string]int{}
	for _, e := range events {
		if e.What != "operator" || e.Text == "" || e.Target == "" {
			t.Errorf("%+v", e)
		}
		for _, verb := range []string{"apply parts", "replay heals-children", "replay heals-parts", "-same", "-own-0", "-own-1", "-drop", "-filter-"} {
			if strings.Contains(e.Text, verb) {
				seen[verb]++
			}
		}
		t.Log(e.Text[:min(len(e.Text), 160)])
	}
	for verb, want := range map[string]int{"apply parts": 2, "replay heals-parts": 1, "-same": 2, "-own-0": 1, "-own-1": 1, "-drop": 2} {
		if seen[verb] < want {
			t.Errorf("%d times %q in the timeline, want %d", seen[verb], verb, want)
		}
	}
}

func checkSamples(t *testing.T, dir string) {
	t.Helper()
	samples, err := history.ReadAll[history.Sample](filepath.Join(dir, history.SamplesFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) < 5 {
		t.Fatalf("%d samples", len(samples))
	}
	last := samples[len(samples)-1]
	if len(last.Balance) != len(load.Pipelines()) || last.Balance["parts"].Landed == 0 || last.Balance["parts"].Repeats == 0 {
		t.Errorf("balance: %+v", last.Balance)
	}
	if m := last.Marks["parts"]; m["0"] == "" || m["none"] == "" || m["incarnation"] == "" {
		t.Errorf("marks: %+v", last.Marks)
	}
	for _, service := range inprocess.Services() {
		if last.Progress[service] == 0 {
			t.Errorf("%s made no progress: %v", service, last.Progress)
		}
	}
	if last.Processed == 0 {
		t.Error("the org has processed no rows")
	}
}
