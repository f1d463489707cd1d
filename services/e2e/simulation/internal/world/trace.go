package world

import (
	"encoding/binary"
	"hash/fnv"
	"sync"
	"time"
)

// trace is a hash of who called what when: equal traces are equal runs.
type trace struct {
	mu    sync.Mutex
	sum   uint64
	calls int
	lines []string
	keep  bool
}

func (t *trace) add(w *World, who, op string) {
	at := time.Since(w.began)
	h := fnv.New64a()
	var b [16]byte
	_, _ = h.Write([]byte(who + "\x00" + op)) // a hash takes everything
	t.mu.Lock()
	defer t.mu.Unlock()
	binary.LittleEndian.PutUint64(b[:8], t.sum)
	binary.LittleEndian.PutUint64(b[8:], uint64(at))
	_, _ = h.Write(b[:])
	t.sum = h.Sum64()
	t.calls++
	if t.keep {
		t.lines = append(t.lines, at.String()+" "+who+" "+op)
	}
}

// KeepTrace keeps every call from now on, to be compared with those of another world.
func (w *World) KeepTrace() {
	w.trace.mu.Lock()
	defer w.trace.mu.Unlock()
	w.trace.keep = true
}

// Trace is a hash of all calls so far with their times, how many they were, and each of them after KeepTrace.
func (w *World) Trace() (sum uint64, calls int, lines []string) {
	w.trace.mu.Lock()
	defer w.trace.mu.Unlock()
	return w.trace.sum, w.trace.calls, w.trace.lines
}
