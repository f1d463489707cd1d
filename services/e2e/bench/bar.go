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

// bar shows on a terminal what goes on and how far it is; elsewhere each phase is a line.
type bar struct {
	mu    sync.Mutex
	w     io.Writer
	live  bool
	drawn *progressbar.ProgressBar
}

func newBar(w io.Writer) *bar {
	f, ok := w.(*os.File)
	return &bar{w: w, live: ok && term.IsTerminal(int(f.Fd()))}
}

// phase begins something with so many steps; 0 = nobody knows.
func (b *bar) phase(name string, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
	if !b.live {
		fmt.Fprintf(b.w, "%s %s\n", time.Now().Format(time.TimeOnly), name)
		return
	}
	if total == 0 {
		total = -1 // a spinner
	}
	b.drawn = progressbar.NewOptions64(total, progressbar.OptionSetWriter(b.w), progressbar.OptionSetDescription(name), progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true))
	_ = b.drawn.RenderBlank() // a bar that cannot be drawn is no reason to stop
}

// at says how many steps are done.
func (b *bar) at(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drawn != nil {
		_ = b.drawn.Set64(n) // the same
	}
}

func (b *bar) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
}

func (b *bar) end() {
	if b.drawn != nil {
		_ = b.drawn.Finish() // the same
		b.drawn = nil
	}
}
