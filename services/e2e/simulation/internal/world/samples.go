package world

import (
	"context"
	"errors"
	"time"

	"bulkhead/libs/memory/ledger"
	"bulkhead/services/e2e/chaos/trial"
)

// The time from one sample to the next, in a world of seconds and in one of days.
const (
	sampleEvery     = 600 * time.Millisecond
	sampleEveryLong = 10 * time.Minute
)

// sampler looks at what must hold at every moment while the world runs: that the balance adds up, and that what only grows does not go back.
type sampler struct {
	stop context.CancelFunc
	done chan struct{}
}

// watch takes samples until it is ended.
func (s *sampler) watch(w *World) {
	var ctx context.Context
	ctx, s.stop = context.WithCancel(w.ctx)
	s.done = make(chan struct{})
	every := sampleEvery
	if w.o.LongWaits {
		every = sampleEveryLong
	}
	go func() {
		defer close(s.done)
		for sleep(ctx, every) {
			w.sample()
		}
	}()
}

func (s *sampler) end() {
	if s.stop != nil {
		s.stop()
		<-s.done
	}
}

// sample notes one look. Of an API that does not answer there is nothing, of a ledger that is stopped neither.
func (w *World) sample() {
	s := trial.Sample{At: w.Since()}
	if b, err := w.Balances(); err == nil {
		s.Balance = b
	}
	err := trial.FillSample(w.ctx, w.db, &s)
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(err, ledger.ErrStopped) || s.At < w.restored {
		return // nobody can look, or it is half of before and half of after
	}
	if err != nil {
		w.errs = append(w.errs, err)
		return
	}
	w.run.Samples = append(w.run.Samples, s)
}
