package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows on a terminal how far the runs are; elsewhere it shows nothing, because each run prints a line.
type bar struct {
	mu    sync.Mutex
	drawn *progressbar.ProgressBar
	ended map[uint64]bool
}

func newBar(w io.Writer, runs int) *bar {
	b := &bar{ended: map[uint64]bool{}}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return b
	}
	b.drawn = progressbar.NewOptions(runs, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(24), progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
	return b
}

// phase is told what a run begins.
func (b *bar) phase(seed uint64, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drawn == nil {
		return
	}
	b.drawn.Describe(fmt.Sprintf("seed %d: %s", seed, name))
	if name == "judge" && !b.ended[seed] {
		b.ended[seed] = true
		_ = b.drawn.Add(1) // a bar that cannot be drawn is no reason to stop
	}
}

func (b *bar) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drawn != nil {
		_ = b.drawn.Finish() // the same
	}
}

// above writes lines above the bar.
func (b *bar) above(w io.Writer) io.Writer { return &aboveBar{bar: b, w: w} }

type aboveBar struct {
	bar *bar
	w   io.Writer
}

func (a *aboveBar) Write(p []byte) (int, error) {
	a.bar.mu.Lock()
	defer a.bar.mu.Unlock()
	if a.bar.drawn == nil {
		return a.w.Write(p)
	}
	_ = a.bar.drawn.Clear() // the same
	n, err := a.w.Write(p)
	_ = a.bar.drawn.RenderBlank() // the same
	return n, err
}
