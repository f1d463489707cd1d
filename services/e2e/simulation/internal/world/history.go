package world

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/chaos/trial"
)

// The time from one look at the stream of letters to the next, in a world of seconds and in one of days. It is shorter than a letter lies there
// whose replay lands.
const (
	watchEvery     = 20 * time.Millisecond
	watchEveryLong = 10 * time.Second
)

// lettersSeen are the messages of the DLQ stream that were ever seen.
type lettersSeen struct {
	mu   sync.Mutex
	seen map[string]bool
	all  []trial.Letter
	made time.Time // the stream, at the last look
	last uint64    // its last message then
	stop context.CancelFunc
	done chan struct{}
}

// watch looks at the stream until it is ended.
func (s *lettersSeen) watch(w *World) {
	var ctx context.Context
	ctx, s.stop = context.WithCancel(w.ctx)
	s.seen, s.done = map[string]bool{}, make(chan struct{})
	every := watchEvery
	if w.o.LongWaits {
		every = watchEveryLong
	}
	go func() {
		defer close(s.done)
		for sleep(ctx, every) {
			s.look(w)
		}
	}()
}

func (s *lettersSeen) end() {
	if s.stop != nil {
		s.stop()
		<-s.done
	}
}

// look takes in what is new: each message once for each life of the stream.
func (s *lettersSeen) look(w *World) {
	info, err := w.broker.As("watch").Stream(w.ctx, bus.StreamDLQ)
	if err != nil {
		return // it is deleted just now
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if made := info.Created; made.Equal(s.made) && info.State.LastSeq == s.last {
		return
	}
	s.made, s.last = info.Created, info.State.LastSeq
	for _, m := range w.broker.Messages(bus.StreamDLQ) {
		if key := fmt.Sprintf("%d/%d", info.Created.UnixNano(), m.Seq); !s.seen[key] {
			s.seen[key] = true
			l := trial.ParseLetter(m.Data)
			l.At, l.Seq, l.Subject = w.Since(), m.Seq, m.Subject
			s.all = append(s.all, l)
		}
	}
}

// left says which letters lie in the stream, and which streams and consumers are missing.
func (w *World) left(ctx context.Context) (letters, holes []string, err error) {
	names := []string{bus.StreamFlow, bus.StreamDLQ}
	for _, p := range w.pipelines {
		names = append(names, "RECORDS_"+p.Name)
	}
	admin := w.broker.As("admin")
	for _, name := range names {
		if _, err := admin.Stream(ctx, name); err != nil {
			holes = append(holes, name)
		}
	}
	listen := map[string]bool{}
	for _, c := range w.broker.Consumers(bus.StreamFlow) {
		listen[c.Name] = true
	}
	for _, service := range Services() {
		if w.alive(service) && !listen[service] {
			holes = append(holes, bus.StreamFlow+"/"+service)
		}
	}
	letters = []string{}
	for _, m := range w.broker.Messages(bus.StreamDLQ) {
		var l struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(m.Data, &l); err != nil {
			return nil, nil, fmt.Errorf("letter at %d: %w", m.Seq, err)
		}
		letters = append(letters, l.ID)
	}
	return letters, holes, nil
}

// Collect gives the whole run as chaos' judge reads one.
func (w *World) Collect() (*trial.All, error) {
	w.letters.look(w)
	w.sample()
	w.mu.Lock()
	w.letters.mu.Lock()
	w.run.Letters, w.run.Points = w.letters.all, w.points
	w.letters.mu.Unlock()
	run := w.run
	w.mu.Unlock()
	if err := trial.Store(w.dir, &run); err != nil {
		return nil, err
	}
	if err := trial.Collect(w.ctx, w.Target(), w.dir); err != nil {
		return nil, err
	}
	all, err := trial.ReadRun(w.dir)
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Play does all of it: start, load with faults, healing, rest, dump.
func (w *World) Play(bound time.Duration) (*trial.All, error) {
	w.Start()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Storm()
	}()
	published := make(chan struct{})
	go func() {
		defer close(published)
		w.Publish()
	}()
	sleep(w.ctx, ms(w.o.Plan.FaultsFor))
	<-done
	for n, end := 0, time.Now().Add(w.o.Linger); len(w.Unstruck()) > 0 && time.Now().Before(end); n++ {
		if n%lift == 0 {
			w.person()
		}
		sleep(w.ctx, look)
	}
	w.Heal()
	<-published
	w.Calm(bound)
	return w.Collect()
}
