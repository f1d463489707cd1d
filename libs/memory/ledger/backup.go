package ledger

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"bulkhead/libs/memory/ledger/internal/engine"
)

// ErrStopped is what every call ends with while the server is stopped, and what a call ends with that was under way when it was.
var ErrStopped = errors.New("the ledger is stopped")

// server is what all handles of a database have in common: whether it runs, and who is connected.
type server struct {
	mu      sync.Mutex
	stopped bool
	handles []*Handle // in the order in which they were given out
}

func (s *server) connect(h *Handle) *Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handles = append(s.handles, h)
	return h
}

func (s *server) leave(h *Handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handles = slices.DeleteFunc(s.handles, func(other *Handle) bool { return other == h })
}

func (s *server) down() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// Backup is a whole database at one moment.
type Backup struct {
	of   *engine.Store
	data *engine.Backup
}

// Backup copies everything that is committed now, of all schemas.
func (db *DB) Backup() *Backup { return &Backup{of: db.store, data: db.store.Backup()} }

// Stop ends every connection at once, as the stop of a server does: open transactions are undone, whoever waits or listens hears of it, and until [DB.Start]
// nobody gets in, the administrator neither. Handles stay good: their next call after the start is a new connection.
func (db *DB) Stop() {
	db.server.mu.Lock()
	db.server.stopped = true
	handles := slices.Clone(db.server.handles)
	db.server.mu.Unlock()
	for _, h := range handles {
		h.disconnect()
	}
}

// Start lets everybody in again.
func (db *DB) Start() {
	db.server.mu.Lock()
	defer db.server.mu.Unlock()
	db.server.stopped = false
}

// Restore puts a stopped database back to a backup of its own: everything that was committed since is forgotten.
func (db *DB) Restore(b *Backup) error {
	if !db.server.down() {
		return errors.New("a ledger is restored while it is stopped")
	}
	if b.of != db.store {
		return errors.New("the backup is another ledger's")
	}
	if err := db.store.Restore(b.data); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// disconnect ends the connections of a handle, not the handle.
func (h *Handle) disconnect() {
	h.mu.Lock()
	if h.cut != nil {
		h.mu.Unlock()
		return
	}
	if h.gone != nil {
		close(h.gone)
		h.gone = nil
	}
	open := h.open
	h.open = nil
	h.mu.Unlock()
	for _, tx := range open {
		h.store.End(tx, false)
	}
}
