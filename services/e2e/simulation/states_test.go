//go:build !race

package simulation_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
	"bulkhead/services/e2e/chaos/trial"
	"bulkhead/services/e2e/simulation/internal/world"
)

// drawn are the moves of the diagrams in docs/architecture.md, by what moves: "submission", "watch" or "chunk".
func drawn(t *testing.T) map[string]map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	arrow := regexp.MustCompile(`(?m)^ *(\S+) --> ([^\s:]+)`)
	out := map[string]map[string]bool{}
	moves := func(what, diagram string) {
		out[what] = map[string]bool{}
		for _, m := range arrow.FindAllStringSubmatch(diagram, -1) {
			out[what][strings.TrimPrefix(m[1], "[*]")+" "+m[2]] = true
		}
	}
	for _, diagram := range regexp.MustCompile("(?s)```mermaid\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
		switch d := diagram[1]; {
		case strings.Contains(d, "claimed"):
			moves("submission", d)
		case strings.Contains(d, "state watch {"):
			watch, chunk, _ := strings.Cut(d, "state chunk {")
			moves("watch", watch)
			moves("chunk", chunk)
		}
	}
	for _, what := range []string{"submission", "watch", "chunk"} {
		if len(out[what]) < 3 {
			t.Fatalf("docs/architecture.md draws no moves of a %s: %v", what, out[what])
		}
	}
	return out
}

// stored follows what the services store: it is asked before every commit of any of them, so that it sees what each one has done.
type stored struct {
	t       *testing.T
	legal   map[string]map[string]bool
	mu      sync.Mutex
	was     map[string]string
	seen    map[string]int // moves, by what moves and how
	world   *world.World
	unknown int
}

func (s *stored) call(_, edge, what string) error {
	if edge != "postgres" || !strings.EqualFold(what, "commit") {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.world == nil {
		return nil
	}
	now, err := s.world.States()
	if err != nil {
		s.unknown++ // the world ends
		return nil
	}
	for id, state := range now {
		was := s.was[id]
		if was == state {
			continue
		}
		what, _, _ := strings.Cut(id, " ")
		move := was + " " + state
		if !s.legal[what][move] {
			s.t.Errorf("%s went from %q to %s, which is not drawn", id, was, state)
		}
		s.seen[what+" "+move]++
		s.was[id] = state
	}
	for id := range s.was {
		if _, there := now[id]; !there {
			s.t.Errorf("%s is gone", id)
			delete(s.was, id)
		}
	}
	return nil
}

// followed are the records of some pipelines, as the API tells of them.
type followed struct {
	t     *testing.T
	keys  []url.Values
	was   map[string]record.State
	of    map[string]int // generation
	moved int
}

func follow(t *testing.T, o world.Options, most int) *followed {
	f := &followed{t: t, was: map[string]record.State{}, of: map[string]int{}}
	load := trial.Draw(o.Plan)
	known := map[string]bool{}
	for _, p := range o.Pipelines {
		n := 0
		for _, m := range load.Messages[p] {
			for _, e := range m.Entries {
				if id := p + " " + e.Key; e.Key != "" && !known[id] && n < most {
					known[id] = true
					f.keys = append(f.keys, url.Values{"pipeline": {p}, "key": {e.Key}})
					n++
				}
			}
		}
	}
	return f
}

// look asks for each record. What nobody answers is asked for again later.
func (f *followed) look(w *world.World) {
	for _, k := range f.keys {
		var reply struct {
			Records []struct {
				State      record.State
				Generation int
			}
		}
		if err := w.Get(w.Ops(1), "/v1/records?"+k.Encode(), &reply); err != nil || len(reply.Records) != 1 {
			continue
		}
		id, now := k.Encode(), reply.Records[0]
		was, seen := f.was[id]
		switch {
		case !seen:
			was = record.StateInFlight // all that a record may be at first is reached from there
			fallthrough
		case was != now.State || f.of[id] != now.Generation:
			if !was.Reaches(now.State) {
				f.t.Errorf("%s went from %s to %s", id, was, now.State)
			}
			if now.Generation < f.of[id] {
				f.t.Errorf("%s went from generation %d to %d", id, f.of[id], now.Generation)
			}
			// A replay that was ordered waits in the old generation until it is taken. What lands after that, or a discard, has landed in the next one.
			if seen && now.Generation == f.of[id] && (was == record.StateDead && now.State == record.StateLanded || was == record.StateDiscarded && now.State != was) {
				f.t.Errorf("%s went from %s to %s within generation %d", id, was, now.State, now.Generation)
			}
			f.moved++
		}
		f.was[id], f.of[id] = now.State, now.Generation
	}
}

// TestEveryMoveIsDrawn plays seeds and looks at everything that has a state: what is stored before every commit of any service, and records by the API. Each
// change must be an arrow of the diagrams in docs/architecture.md, and the table of package record.
func TestEveryMoveIsDrawn(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	legal, seen, moved := drawn(t), map[string]int{}, 0
	for seed, played := uint64(1), 0; played < 20; seed++ {
		if world.Restores(seed) {
			continue // what the ledger forgets moves back, as no arrow says
		}
		played++
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				o := world.Draw(seed)
				s := &stored{t: t, legal: legal, was: map[string]string{}, seen: seen}
				o.Call = s.call
				records := follow(t, o, 8)
				w := world.Open(t, o)
				s.mu.Lock()
				s.world = w
				s.mu.Unlock()
				end, done := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					for {
						select {
						case <-end:
							return
						case <-time.After(200 * time.Millisecond):
							records.look(w)
						}
					}
				}()
				_, err := w.Play(bound)
				if err != nil {
					t.Fatal(err)
				}
				close(end)
				<-done
				records.look(w)
				moved += records.moved
				s.mu.Lock()
				s.world = nil
				s.mu.Unlock()
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	t.Logf("%d moves of records; stored: %v", moved, seen)
	for what, moves := range legal {
		n := 0
		for move := range moves {
			if seen[what+" "+move] > 0 {
				n++
			}
		}
		if n < 2 {
			t.Errorf("%d kinds of moves of a %s were seen: nothing is shown", n, what)
		}
	}
	if moved < 100 {
		t.Errorf("records moved %d times: nothing is shown", moved)
	}
}
