package drive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// scripted makes runs that end as said, by seed and try: "ok", "found", "harness", or "unjudged" for one that only its judge finds to tell nothing.
func scripted(t *testing.T, ends map[uint64][]string) (maker, *atomic.Int32) {
	t.Helper()
	var closed atomic.Int32
	tries := map[uint64]int{}
	return maker{
		open: func(_ context.Context, dir string) (*stack.Cluster, func(context.Context) error, error) {
			return nil, func(context.Context) error { closed.Add(1); return nil }, os.MkdirAll(dir, 0o755)
		},
		run: func(_ context.Context, o Options) (judged, error) {
			seed := o.Plan.Seed
			end := ends[seed][tries[seed]]
			tries[seed]++
			v := history.Verdict{Seed: seed, OK: end == "ok"}
			if end == "found" {
				v.Findings = []history.Finding{{Invariant: "I5", Name: "lost", Text: "nowhere"}}
			}
			for file, value := range map[string]any{history.PlanFile: o.Plan, history.RunFile: history.Run{}, history.VerdictFile: v, history.FinalFile: 1} {
				if err := history.WriteJSON(filepath.Join(o.Dir, file), value); err != nil {
					return nil, err
				}
			}
			switch end {
			case "harness":
				return nil, &Harness{Err: errors.New("no port")}
			case "unjudged":
				return func() (history.Verdict, error) { return v, &Harness{Err: errors.New("no samples")} }, nil
			}
			return func() (history.Verdict, error) { return v, nil }, nil
		},
	}, &closed
}

func set(t *testing.T, seeds ...uint64) (Set, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	s := Set{Dir: t.TempDir(), Out: &out}
	for _, n := range seeds {
		s.Plans = append(s.Plans, history.Plan{Seed: n})
	}
	return s, &out
}

func there(t *testing.T, dir, name string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestMany(t *testing.T) {
	t.Run("of a run that passed only what a report needs is kept, of one that failed everything", func(t *testing.T) {
		s, out := set(t, 1, 2)
		with, closed := scripted(t, map[uint64][]string{1: {"ok"}, 2: {"found"}})
		o, err := makeAll(t.Context(), s, with)
		if err != nil || o.Failed != 1 || o.Harness != 0 || closed.Load() != 1 {
			t.Fatalf("%+v, %v", o, err)
		}
		for i, want := range []bool{false, true} {
			if got := there(t, o.Dirs[i], history.FinalFile); got != want || !there(t, o.Dirs[i], history.VerdictFile) {
				t.Errorf("seed %d: everything is kept: %v", i+1, got)
			}
		}
		if there(t, s.Dir, "cluster-1") {
			t.Error("the databases are kept")
		}
		for _, want := range []string{"seed 1 ok", "seed 2 FAILED", "I5 lost: nowhere", "make chaos SEED=2"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("not said: %s\n%s", want, out)
			}
		}
	})
	t.Run("a run that told nothing is made once more, and then counts as one that tells nothing", func(t *testing.T) {
		s, out := set(t, 1, 2)
		with, _ := scripted(t, map[uint64][]string{1: {"harness", "ok"}, 2: {"harness", "harness"}})
		o, err := makeAll(t.Context(), s, with)
		if err != nil || o.Failed != 0 || o.Harness != 1 || o.Retried != 2 {
			t.Fatalf("%+v, %v", o, err)
		}
		if !strings.HasSuffix(o.Dirs[0], "seed-1-again") || strings.Count(out.String(), "told nothing") != 3 {
			t.Errorf("%v\n%s", o.Dirs, out)
		}
	})
	t.Run("a run that its judge finds to tell nothing is made once more behind the others", func(t *testing.T) {
		s, out := set(t, 1, 2, 3)
		with, _ := scripted(t, map[uint64][]string{1: {"unjudged", "ok"}, 2: {"ok"}, 3: {"unjudged", "unjudged"}})
		o, err := makeAll(t.Context(), s, with)
		if err != nil || o.Failed != 0 || o.Harness != 1 || o.Retried != 2 {
			t.Fatalf("%+v, %v", o, err)
		}
		if !strings.HasSuffix(o.Dirs[0], "seed-1-again") || !o.Verdicts[0].OK || strings.Index(out.String(), "seed 2 ok") > strings.Index(out.String(), "seed 1 ok") {
			t.Errorf("%v\n%s", o.Dirs, out)
		}
	})
	t.Run("a run starts while the one before is judged, and its faults wait for that", func(t *testing.T) {
		s, _ := set(t, 1, 2)
		with, _ := scripted(t, map[uint64][]string{1: {"ok"}, 2: {"ok"}})
		plain, second, judgedFirst := with.run, make(chan struct{}), false
		with.run = func(ctx context.Context, o Options) (judged, error) {
			judge, err := plain(ctx, o)
			if o.Plan.Seed == 1 {
				return func() (history.Verdict, error) {
					<-second // the second one has begun
					judgedFirst = true
					return judge()
				}, err
			}
			close(second)
			if err := o.Quiet(); err != nil || !judgedFirst {
				t.Errorf("the faults of a run begin while the one before is judged (%v)", err)
			}
			return judge, err
		}
		if o, err := makeAll(t.Context(), s, with); err != nil || !o.Verdicts[1].OK {
			t.Errorf("%+v, %v", o, err)
		}
	})
	t.Run("a search ends with the first run that finds something", func(t *testing.T) {
		s, _ := set(t, 1, 2, 3)
		s.UntilFound = true
		with, _ := scripted(t, map[uint64][]string{1: {"ok"}, 2: {"found"}, 3: {"ok"}})
		o, err := makeAll(t.Context(), s, with)
		if err != nil || o.Failed != 1 || o.Dirs[2] != "" {
			t.Fatalf("%+v, %v", o, err)
		}
	})
	t.Run("an end of the context ends it, and closes the databases", func(t *testing.T) {
		s, _ := set(t, 1, 2, 3)
		ctx, cancel := context.WithCancel(t.Context())
		with, closed := scripted(t, map[uint64][]string{1: {"ok"}, 2: {"ok"}, 3: {"ok"}})
		plain := with.run
		with.run = func(ctx context.Context, o Options) (judged, error) {
			if o.Plan.Seed == 2 {
				cancel()
				return nil, ctx.Err()
			}
			return plain(ctx, o)
		}
		o, err := makeAll(ctx, s, with)
		if !errors.Is(err, context.Canceled) || closed.Load() != 1 || o.Dirs[0] == "" || o.Dirs[1] != "" {
			t.Errorf("%+v, %v", o, err)
		}
	})
	t.Run("databases that cannot be opened are said", func(t *testing.T) {
		s, _ := set(t, 1)
		broken := errors.New("no initdb")
		_, err := makeAll(t.Context(), s, maker{open: func(context.Context, string) (*stack.Cluster, func(context.Context) error, error) {
			return nil, nil, broken
		}})
		if !errors.Is(err, broken) {
			t.Error(err)
		}
	})
	t.Run("several at a time have a cluster each", func(t *testing.T) {
		s, _ := set(t, 1, 2)
		s.Jobs = 5
		var opened atomic.Int32
		both := make(chan struct{})
		with := maker{
			open: func(context.Context, string) (*stack.Cluster, func(context.Context) error, error) {
				opened.Add(1)
				return nil, func(context.Context) error { return nil }, nil
			},
			run: func(ctx context.Context, o Options) (judged, error) {
				if o.Plan.Seed == 2 {
					close(both)
				}
				select {
				case <-both: // both run at this moment
				case <-ctx.Done():
				}
				return func() (history.Verdict, error) { return history.Verdict{OK: true}, nil },
					history.WriteJSON(filepath.Join(o.Dir, history.RunFile), history.Run{})
			},
		}
		if o, err := makeAll(t.Context(), s, with); err != nil || opened.Load() != 2 || fmt.Sprint(o.Failed) != "0" {
			t.Errorf("%+v, %v, %d clusters", o, err, opened.Load())
		}
	})
}
