package world

import (
	"slices"
	"time"

	"bulkhead/services/e2e/chaos/trial"
)

// The times of a restore, in virtual time.
const (
	// withoutLedger is how long services go on when their ledger has died under them.
	withoutLedger = time.Second
	// putBack is how long the restore takes. As in any installation it is longer than a call of collections may land behind its deadline: of such calls a
	// restored ledger knows nothing, so nobody waits for them.
	putBack = 3 * time.Second
)

// isRestored says whether the ledger is ever put back: then RECORDS keeps what was decided, as an installation's does for its backups.
func (w *World) isRestored() bool {
	return slices.ContainsFunc(w.o.Plan.Faults, func(f trial.Fault) bool { return f.Kind == trial.Restore })
}

// restore is [trial.Restore]. It does what the documentation asks of an operator: stop the services, restore the database as a whole, start them. Broker and
// org go on all the while, and so do publishers.
func (w *World) restore(f trial.Fault) error {
	backup := w.db.Backup()
	if !sleep(w.ctx, ms(f.For)) {
		return w.ctx.Err()
	}
	if f.Target == "all" {
		w.db.Stop()
		sleep(w.ctx, withoutLedger)
		w.Fell(Services()...)
	} else {
		w.Down(Services()...)
		w.db.Stop()
	}
	sleep(w.ctx, putBack)
	err := w.db.Restore(backup)
	w.mu.Lock()
	w.restored = w.Since()
	w.mu.Unlock()
	w.note(trial.Event{What: "restored", Fault: f.ID, Target: f.Target})
	w.db.Start()
	w.Up(Services()...)
	return err
}
