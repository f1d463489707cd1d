// Package progress shows a person at a terminal what a long command does and how far it is. Elsewhere each phase is a line, so that a log tells the
// same. What cannot be drawn is no reason to stop: nothing here fails.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Bar is one command's. It is safe for concurrent use.
type Bar struct {
	mu    sync.Mutex
	w     io.Writer
	live  bool
	drawn *progressbar.ProgressBar
}

// New returns a bar that is drawn on w if that is a terminal.
func New(w io.Writer) *Bar {
	f, ok := w.(*os.File)
	return &Bar{w: w, live: ok && term.IsTerminal(int(f.Fd()))}
}

// Phase begins something with so many steps; 0 = nobody knows.
func (b *Bar) Phase(name string, total int64) {
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

// At says how many steps are done.
func (b *Bar) At(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drawn != nil {
		_ = b.drawn.Set64(n) // the same
	}
}

// Said is a line about what happens meanwhile, above the bar.
func (b *Bar) Said(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drawn == nil {
		fmt.Fprintf(b.w, "%s %s\n", time.Now().Format(time.TimeOnly), line)
		return
	}
	_ = b.drawn.Clear() // the same
	fmt.Fprintln(b.w, line)
	_ = b.drawn.RenderBlank() // the same
}

// Done takes the bar away. It may be called twice.
func (b *Bar) Done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
}

func (b *Bar) end() {
	if b.drawn != nil {
		_ = b.drawn.Finish() // the same
		b.drawn = nil
	}
}
