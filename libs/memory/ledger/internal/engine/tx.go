package engine

import (
	"context"
	"maps"
	"time"

	"bulkhead/libs/memory/ledger/internal/value"
)

// Tx is a transaction. It is for one goroutine at a time.
type Tx struct {
	store    *Store
	now      value.Stamp
	held     []held
	notes    []string // channels to notify at the commit
	advisory []int64
	failed   bool
	ended    bool
	done     chan struct{} // closed when it lets go of what it holds
	released bool
	waits    *Tx // whom it waits for
	snapshot map[*table]*table
	readOnly bool
	repeat   bool
	settings map[string]string
	slept    bool            // the statement has slept
	gone     <-chan struct{} // closed when its client is; nil = never
}

// held is a row that the transaction holds, and how it was before the entry was made.
type held struct {
	t       *table
	r       *row
	pending []any
	changed bool
	first   bool // the entry with which the row became the transaction's
}

// Begin starts a transaction. repeatable gives it one moment for all it reads; such a one may only read. A wait of it ends when gone is closed.
func (s *Store) Begin(repeatable bool, gone <-chan struct{}) *Tx {
	return &Tx{gone: gone, store: s, now: value.Of(time.Now()), done: make(chan struct{}), repeat: repeatable, readOnly: repeatable}
}

// note remembers how a row is before it is changed, or that it is held from now on.
func (tx *Tx) note(t *table, r *row) {
	tx.held = append(tx.held, held{t: t, r: r, pending: r.pending, changed: r.changed, first: r.owner != tx || !r.changed && r.committed == nil})
	r.owner = tx
}

// hold takes a row, or leaves the statement to wait for who has it.
func (tx *Tx) hold(t *table, r *row) {
	if r.owner != nil && r.owner != tx {
		panic(mustWait{r.owner})
	}
	if r.owner == nil {
		tx.held = append(tx.held, held{t: t, r: r, first: true})
		r.owner = tx
	}
}

// write gives a held row a new version.
func (tx *Tx) write(t *table, r *row, version []any) {
	tx.hold(t, r)
	tx.held = append(tx.held, held{t: t, r: r, pending: r.pending, changed: r.changed})
	t.change(r, version, true)
}

// mark is a point to go back to.
type mark struct{ held, notes int }

func (tx *Tx) mark() mark { return mark{len(tx.held), len(tx.notes)} }

// back undoes what was written since a mark. Locks stay, as they do in PostgreSQL when a statement waits.
func (tx *Tx) back(m mark) {
	for i := len(tx.held) - 1; i >= m.held; i-- {
		h := tx.held[i]
		h.t.change(h.r, h.pending, h.changed)
	}
	kept := tx.held[:m.held]
	for _, h := range tx.held[m.held:] {
		if h.first {
			kept = append(kept, held{t: h.t, r: h.r, first: true})
		}
	}
	tx.held, tx.notes = kept, tx.notes[:m.notes]
}

// end commits or undoes everything and lets go. The store is locked.
func (tx *Tx) end(commit bool) {
	if tx.ended {
		return
	}
	tx.release(commit && !tx.failed)
	tx.ended = true
}

// abort undoes everything and lets go at once, as PostgreSQL does with the first error; what is left to its owner is to end it.
func (tx *Tx) abort() {
	tx.failed = true
	tx.release(false)
}

func (tx *Tx) release(commit bool) {
	if tx.released {
		return
	}
	tx.released = true
	if !commit {
		tx.back(mark{})
		tx.notes = nil
	}
	for _, h := range tx.held {
		if h.r.owner == tx {
			if h.r.changed {
				h.t.settle(h.r)
			}
			h.r.owner = nil
		}
	}
	for _, k := range tx.advisory {
		delete(tx.store.advisory, k)
	}
	tx.held, tx.advisory = nil, nil
	close(tx.done)
	for _, channel := range tx.notes {
		tx.store.notify(channel)
	}
}

// lockAdvisory takes a lock by number until the transaction ends.
func (tx *Tx) lockAdvisory(k int64) {
	switch owner := tx.store.advisory[k]; {
	case owner == nil:
		tx.store.advisory[k] = tx
		tx.advisory = append(tx.advisory, k)
	case owner != tx:
		panic(mustWait{owner})
	}
}

// see is the table as the transaction may read it.
func (tx *Tx) see(t *table) *table {
	if !tx.repeat {
		return t
	}
	if tx.snapshot == nil {
		// Of one moment: all tables, whether they are asked for or not.
		tx.snapshot = map[*table]*table{}
		for t := range maps.Values(tx.store.tables) {
			tx.snapshot[t] = t.freeze()
		}
	}
	return tx.snapshot[t]
}

// mustWait leaves a statement that has to wait for a transaction.
type mustWait struct{ who *Tx }

// mustSleep leaves a statement that has to wait for time to pass.
type mustSleep struct{ d time.Duration }

// sleep waits; the store is locked before and after, not meanwhile.
func (tx *Tx) sleep(ctx context.Context, d time.Duration) error {
	tx.slept = true
	tx.store.mu.Unlock()
	defer tx.store.mu.Lock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-tx.gone:
		return value.Error("57P01", "terminating connection due to administrator command")
	}
}

// await waits until the other one has ended. The store is locked before and after, not meanwhile.
func (tx *Tx) await(ctx context.Context, other *Tx) error {
	for w := other; w != nil; w = w.waits {
		if w == tx {
			return value.Error("40P01", "deadlock detected")
		}
	}
	tx.waits = other
	tx.store.mu.Unlock()
	timer := time.NewTimer(tx.store.lockTimeout)
	var err error
	select {
	case <-other.done:
	case <-ctx.Done():
		err = ctx.Err()
	case <-tx.gone:
		err = value.Error("57P01", "terminating connection due to administrator command")
	case <-timer.C:
		err = value.Error("55P03", "canceling statement due to lock timeout")
	}
	timer.Stop()
	tx.store.mu.Lock()
	tx.waits = nil
	return err
}
