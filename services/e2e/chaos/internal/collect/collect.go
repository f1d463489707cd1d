package collect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
)

// patience bounds the whole dump, whatever its caller allows.
const patience = 30 * time.Second

// Run dumps everything into the run's directory, where the load has already written published.ndjson and pipelines.json.
func Run(ctx context.Context, target history.Target, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := &collector{target: target, dir: dir, began: time.Now().Add(-time.Duration(target.Since() * float64(time.Millisecond)))}
	if err := c.known(); err != nil {
		return err
	}
	errs := atOnce(
		func() error { return c.org(ctx) },
		func() error { return c.ledger(ctx) },
		func() error { return c.letters(ctx) },
	)
	if errs != nil {
		return errs
	}
	return c.publish()
}

// next is the end of the names of files that are not whole yet.
const next = ".next"

// create makes a file of the dump, which gets its name when all of them are whole.
func (c *collector) create(name string) (*history.Writer, error) {
	return history.Create(c.at(name) + next)
}

// publish puts the files in their places.
func (c *collector) publish() error {
	for _, name := range []string{history.RecordsFile, history.JobsFile, history.RowsFile, history.CallsFile, history.LandedFile} {
		if err := os.Rename(c.at(name)+next, c.at(name)); err != nil {
			return fmt.Errorf("put the dump in its place: %w", err)
		}
	}
	return history.WriteJSON(c.at(history.FinalFile), c.final)
}

type collector struct {
	target history.Target
	dir    string
	// began is the run's start on this machine's clock, which the simulator's follows.
	began time.Time

	pipelines []history.Pipeline
	published []history.Publication
	final     history.Final // each member is written by one of the goroutines, but Broken
	broken    sync.Mutex    // of final.Broken
	answered  atomic.Int32  // the instance of ops that answered where another had not
}

func (c *collector) at(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }

// known reads what was published, since the API is asked about that.
func (c *collector) known() error {
	var err error
	if c.pipelines, err = history.ReadJSON[[]history.Pipeline](c.at(history.PipelinesFile)); err != nil {
		return err
	}
	c.published, err = history.ReadAll[history.Publication](c.at(history.PublishedFile))
	return err
}

// since turns a time of this machine into one of the run; the zero time is 0.
func (c *collector) since(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Sub(c.began)) / float64(time.Millisecond)
}

// atOnce does all of them at the same time and says everything that went wrong.
func atOnce(todo ...func() error) error {
	errs := make([]error, len(todo))
	var wg sync.WaitGroup
	for i, do := range todo {
		wg.Go(func() { errs[i] = do() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// each does something for every value, several at a time, and ends at the first error.
func each[T any](ctx context.Context, values []T, several int, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan T)
	var wg sync.WaitGroup
	for range min(several, len(values)) {
		wg.Go(func() {
			for v := range todo {
				if err := do(ctx, v); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	for _, v := range values {
		select {
		case todo <- v:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(todo)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("collect: %w", err)
	}
	return nil
}
