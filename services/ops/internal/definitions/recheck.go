package definitions

import (
	"context"
	"errors"
	"fmt"

	"bulkhead/services/ops/internal/store"
)

// Recheck asks the orgs once more about every definition whose key field they have not described to this process yet. Where an org compares the key
// field in another way than the current revision says, as when it could not be asked at the apply, or an admin changed the field, the same text
// becomes a new revision that says so. It says how many there were.
//
// An org whose circuit is open is left alone until the next call to it is due.
//
// A definition that the org would refuse by now is logged and stays. The errors of those that could not be stored now are joined; the next call tries
// them again.
func (a *Applier) Recheck(ctx context.Context) (int, error) {
	if a.describe == nil {
		return 0, nil
	}
	current, err := a.store.Current(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the definitions: %w", err)
	}
	var errs []error
	n := 0
	down, err := a.resting(ctx) // and orgs that did not answer in this pass: one question to each is enough
	if err != nil {
		return 0, err
	}
	for _, d := range current {
		definition, err := stored(d)
		if err != nil || a.isConfirmed(d) || down[definition.Org] {
			continue // a text that this program cannot read any more was told of when the services read it
		}
		applied, err := a.apply(ctx, order{
			yaml: d.YAML, definition: definition, action: actionRecheck, by: d.AppliedBy, auditBy: "ops",
			reason: "the org compares the key field in another way than the revision before says",
		})
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("pipeline %s: %w", d.Name, err))
		case applied.Changed:
			n++
		case !a.isConfirmed(d):
			down[definition.Org] = true
		default:
			for _, w := range applied.Warnings {
				a.logger.WarnContext(ctx, "definition has a warning", "pipeline", d.Name, "revision", d.Revision, "warning", w)
			}
		}
	}
	return n, errors.Join(errs...)
}

// resting are the orgs that nobody calls now, because their circuits are open.
func (a *Applier) resting(ctx context.Context) (map[string]bool, error) {
	circuits, err := a.store.Read().Circuits(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the circuits: %w", err)
	}
	out := map[string]bool{}
	for _, c := range circuits {
		out[c.Org] = c.NextCallSeconds > 0
	}
	return out, nil
}

// confirm notes that the org described what a revision rests on.
func (a *Applier) confirm(d store.Definition, found findings) {
	if !found.answered {
		return
	}
	a.mu.Lock()
	a.confirmed[d.Name] = d.Revision
	a.mu.Unlock()
}

// forget makes the next [Applier.Recheck] ask about everything again.
func (a *Applier) forget() {
	a.mu.Lock()
	clear(a.confirmed)
	a.mu.Unlock()
}

func (a *Applier) isConfirmed(d store.Definition) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.confirmed[d.Name] == d.Revision
}
