package local

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// criticalWrite is what the server says when a write to a stream's files failed. From then on it refuses every write to that stream, also
	// when there is room again, until it reads the stream anew (nats-server 2.15, filestore.go).
	criticalWrite = "ritical write error"
	// mendEvery is the pause between two looks whether there is room again.
	mendEvery = time.Second
	// mendRoom is the room that has to be there, in bytes: with less the next message would fail again.
	mendRoom = 1 << 20
)

// mender makes the server read its streams anew after a write failed and there is room again. Nothing that was acknowledged is lost by that: with
// every write synced, it is what a start after a crash does.
type mender struct {
	server *server.Server
	store  string
	logger *slog.Logger
	broken chan string // what the server said of the first write that failed
	stop   chan struct{}
	done   chan struct{}
}

func newMender(logger *slog.Logger) *mender {
	return &mender{logger: logger, broken: make(chan string, 1), stop: make(chan struct{}), done: make(chan struct{})}
}

// heard is told of the server's errors.
func (m *mender) heard(text string) {
	if !strings.Contains(text, criticalWrite) {
		return
	}
	select {
	case m.broken <- text:
	default: // the first one is being looked after
	}
}

// run waits for writes that fail, until stop is closed.
func (m *mender) run() {
	defer close(m.done)
	for {
		var why string
		select {
		case <-m.stop:
			return
		case why = <-m.broken:
		}
		m.logger.Error("NATS cannot write its store and takes no message: make room on its disk, then it goes on by itself", "store", m.store, "error", why)
		config := m.server.JetStreamConfig() // a copy; there is none any more once the streams are closed
		if config == nil {
			continue // the server is ending
		}
		for err := errors.New("not tried"); err != nil; {
			if !m.awaitRoom() {
				return
			}
			if err = m.readAnew(*config); err != nil {
				m.logger.Error("NATS could not read its store anew, and tries again", "store", m.store, "error", err)
			}
		}
		m.logger.Info("NATS can write its store again", "store", m.store)
	}
}

// awaitRoom waits until the store can be written; false = we are to stop.
func (m *mender) awaitRoom() bool {
	tick := time.NewTicker(mendEvery)
	defer tick.Stop()
	for {
		select {
		case <-m.stop:
			return false
		case <-tick.C:
		}
		if writable(m.store) == nil {
			return true
		}
	}
}

// writable writes and syncs a file in a directory, and removes it.
func writable(dir string) error {
	f, err := os.Create(filepath.Join(dir, "room"))
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, mendRoom))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}

// readAnew closes the streams and opens them from their files. Connections stay.
func (m *mender) readAnew(config server.JetStreamConfig) error {
	if err := m.server.DisableJetStream(); err != nil {
		return fmt.Errorf("close the streams: %w", err)
	}
	select {
	case <-m.broken: // closing tries to write once more; what it said of that is over
	default:
	}
	config.StoreDir = filepath.Dir(config.StoreDir) // the server adds a directory of its own to what it is given
	if err := m.server.EnableJetStream(&config); err != nil {
		return fmt.Errorf("open the streams: %w", err)
	}
	return nil
}
