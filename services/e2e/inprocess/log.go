package inprocess

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"
)

// Log keeps what the services log, as JSON lines, and shows it with a test that fails. Many may write at once.
type Log struct {
	mu  sync.Mutex
	raw bytes.Buffer
}

func newLog(t *testing.T) *Log {
	l := &Log{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the services logged:\n%s", l.Text())
		}
	})
	return l
}

// Write takes one line, as slog's handlers write them.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.raw.Write(line)
}

// Text is all of it so far.
func (l *Log) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.raw.String()
}

// Said are the attributes of the lines with this message, in their order.
func (l *Log) Said(msg string) []map[string]any {
	var out []map[string]any
	for line := range bytes.Lines([]byte(l.Text())) {
		var m map[string]any
		if json.Unmarshal(line, &m) == nil && m["msg"] == msg {
			out = append(out, m)
		}
	}
	return out
}
