package soak

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/stack"
)

// soaked are samples of ten minutes, one every five seconds, in which every service is killed now and then. change alters one.
func soaked(change func(*Sample)) []Sample {
	var out []Sample
	for at := 0.0; at < 600; at += 5 {
		s := Sample{
			At: at, Balance: &history.Balance{Accepted: int64(at * 1000), Landed: int64(max(0, at-20) * 1000)}, Processes: map[string]Process{}, Ledger: map[string]int64{
				"leases": 3, "open work": 9, "outboxes": 2, "waiting": 5000, "pieces": 300, "chunks": int64(1 + at/5),
			},
			Messages: map[string]int64{bus.StreamFlow: int64(6 * (1 + at/5))},
		}
		for i, name := range append(stack.Instances(), stack.NATS, stack.Postgres) {
			every := 150 + 10*float64(i)
			life := int(at / every)
			age := at - float64(life)*every
			s.Processes[name] = Process{Start: 1 + life, Age: age, Memory: int64(30*mega + min(age, 30)*mega), Goroutines: 40, Files: 20}
		}
		for _, service := range services() {
			s.Ledger["sessions of "+service] = 8
		}
		if change != nil {
			change(&s)
		}
		out = append(out, s)
	}
	return out
}

// grown are the names of figures that are known and not flat.
func grown(figures []Figure) (out []string) {
	for _, f := range figures {
		if slices.ContainsFunc(f.judged(), func(g Growth) bool { return g.Known && !g.Held }) {
			out = append(out, f.Name)
		}
	}
	return out
}

func TestFigures(t *testing.T) {
	const from, to = 30 * time.Second, 590 * time.Second
	t.Run("are flat where nothing grows, and all known", func(t *testing.T) {
		all := Figures(soaked(nil), from, to)
		if names := grown(all); len(names) > 0 {
			t.Errorf("%v have grown", names)
		}
		for _, f := range all {
			if slices.ContainsFunc(f.judged(), func(g Growth) bool { return !g.Known }) {
				t.Errorf("nothing is known of %s: %+v", f.Name, f.Flat)
			}
		}
		if len(all) != 6*4+9 {
			t.Errorf("%d figures", len(all))
		}
	})
	for name, c := range map[string]struct {
		change func(*Sample)
		want   string
	}{
		"memory that a service never gives back": {func(s *Sample) {
			p := s.Processes["retrier-2"]
			p.Memory += int64(p.Age * mega)
			s.Processes["retrier-2"] = p
		}, "retrier: memory"},
		"goroutines that pile up over lives": {func(s *Sample) {
			p := s.Processes["poller-1"]
			p.Goroutines += int64(s.At / 4)
			s.Processes["poller-1"] = p
		}, "poller: goroutines"},
		"files that stay open":           {func(s *Sample) { p := s.Processes["nats"]; p.Files += int64(s.At / 4); s.Processes["nats"] = p }, "nats: open files"},
		"sessions of those who are dead": {func(s *Sample) { s.Ledger["sessions of ops"] += int64(s.At / 30) }, "sessions of ops"},
		"leases that nobody gives up":    {func(s *Sample) { s.Ledger["leases"] += int64(s.At / 10) }, "leases held"},
		"an outbox that nobody empties":  {func(s *Sample) { s.Ledger["outboxes"] += int64(s.At * 10) }, "rows of the outboxes"},
		"records that wait for ever":     {func(s *Sample) { s.Ledger["waiting"] += int64(s.At * 50) }, "records that wait to be sent again"},
		"pieces that nobody deletes":     {func(s *Sample) { s.Ledger["pieces"] += int64(s.At * 2) }, "pieces of chunks"},
		"facts that are told again and again": {func(s *Sample) {
			s.Messages[bus.StreamFlow] += int64(s.At * s.At / 100)
		}, "messages on FLOW for each chunk"},
	} {
		t.Run("tell of "+name, func(t *testing.T) {
			if got := grown(Figures(soaked(c.change), from, to)); !slices.Equal(got, []string{c.want}) {
				t.Errorf("grown: %v, want %s", got, c.want)
			}
		})
	}
	t.Run("are those of both instances together, and of none when one did not answer", func(t *testing.T) {
		all := Figures(soaked(func(s *Sample) { delete(s.Processes, "ops-1") }), from, to)
		for _, f := range all {
			if known := f.Flat.Run.Known; strings.HasPrefix(f.Name, "ops: ") == known {
				t.Errorf("%s: known is %v", f.Name, known)
			}
			if f.Name == "poller: goroutines" && f.Flat.Run.First != 80 {
				t.Errorf("%+v", f.Flat)
			}
		}
	})
}

func TestSteady(t *testing.T) {
	samples := soaked(func(s *Sample) {
		s.Balance.Accepted = min(s.Balance.Accepted, 400_000)
		if s.At == 100 {
			s.Balance = nil
		}
	})
	t.Run("begins when a record has landed and ends when all are read", func(t *testing.T) {
		if from, to := Steady(samples, 400_000); from != 25*time.Second || to != 395*time.Second {
			t.Errorf("from %s to %s", from, to)
		}
	})
	t.Run("is nothing where nothing landed", func(t *testing.T) {
		if from, to := Steady(samples[:3], 400_000); from != 0 || to != 0 {
			t.Errorf("from %s to %s", from, to)
		}
	})
}
