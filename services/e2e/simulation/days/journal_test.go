//go:build !race

package days_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// mostLines bounds what a journal keeps: more is not read by anybody.
const mostLines = 5000

// journal keeps the warnings and errors that services log. It is a slog.Handler.
type journal struct {
	kept  *kept
	attrs string
	first sync.Once
}

// kept is what a journal and those derived from it have in common.
type kept struct {
	mu    sync.Mutex
	lines []line
}

type line struct {
	at    time.Time
	level slog.Level
	text  string
}

func (j *journal) shared() *kept {
	j.first.Do(func() {
		if j.kept == nil {
			j.kept = &kept{}
		}
	})
	return j.kept
}

// Enabled implements slog.Handler.
func (j *journal) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle implements slog.Handler.
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message + j.attrs)
	r.Attrs(func(a slog.Attr) bool { fmt.Fprintf(&b, " %s=%v", a.Key, a.Value); return true })
	k := j.shared()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.lines) < mostLines {
		k.lines = append(k.lines, line{r.Time, r.Level, b.String()})
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	text := j.attrs
	for _, a := range attrs {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
	}
	return &journal{kept: j.shared(), attrs: text}
}

// WithGroup implements slog.Handler. Groups are not told apart.
func (j *journal) WithGroup(string) slog.Handler { return j }

// said are the lines of a level that hold a text.
func (j *journal) said(level slog.Level, text string) []line {
	k := j.shared()
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []line
	for _, l := range k.lines {
		if l.level == level && strings.Contains(l.text, text) {
			out = append(out, l)
		}
	}
	return out
}

// tell shows what came first.
func (j *journal) tell(t *testing.T) {
	t.Helper()
	k := j.shared()
	k.mu.Lock()
	defer k.mu.Unlock()
	const most = 60
	for _, l := range k.lines[:min(len(k.lines), most)] {
		t.Logf("%s %s %s", l.at.Format("01-02 15:04:05.000"), l.level, l.text)
	}
}
