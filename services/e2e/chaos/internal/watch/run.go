package watch

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

const (
	// between is the time from one sample to the next.
	between = 200 * time.Millisecond
	// countEvery is the number of samples from one count of the org's rows to the next: it is asked for all jobs that there ever were.
	countEvery = 5
)

// Run writes samples and letters into the directory of a run until ctx ends; that is no error. An error is one of the files.
func Run(ctx context.Context, t history.Target, dir string) error {
	samples, err := history.Create(filepath.Join(dir, history.SamplesFile))
	if err != nil {
		return err
	}
	letters, err := history.Create(filepath.Join(dir, history.LettersFile))
	if err != nil {
		return errors.Join(err, samples.Close())
	}
	read := make(chan error, 1)
	go func() { read <- Letters(ctx, t, letters) }()
	sample(ctx, t, samples)
	return errors.Join(<-read, samples.Close(), letters.Close())
}

// sample takes samples until ctx ends. What the file says against it is told when it is closed.
func sample(ctx context.Context, t history.Target, out *history.Writer) {
	l := &ledger{dsn: t.AdminDSN}
	defer l.close()
	tick := time.NewTicker(between)
	defer tick.Stop()
	processed := int64(0)
	for n := 0; ; n++ {
		s := history.Sample{At: t.Since()}
		if b, err := balances(ctx, t, n); err == nil {
			s.Balance = b
		}
		_ = l.sample(ctx, &s) // what does not answer is absent
		if n%countEvery == 0 {
			if all, err := jobs(ctx, t); err == nil {
				processed = 0
				for _, j := range all {
					processed += max(j.Processed, 0)
				}
			}
		}
		s.Processed = processed
		if ctx.Err() != nil {
			return
		}
		_ = out.Put(s)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
