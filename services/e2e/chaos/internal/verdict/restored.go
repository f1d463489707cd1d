package verdict

import (
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// restore is a ledger that was put back: whatever the product wrote down, decided or was told between the two moments is forgotten. What it did in the org and
// told the broker is not.
type restore struct {
	from float64 // the moment of the backup
	at   float64 // when it was put back; nothing of the product ran then
	up   float64 // the first of the product's processes that was started behind it
}

// restores are those of a run, in their order.
func restores(timeline []history.Event) []restore {
	var out []restore
	for _, e := range timeline {
		if e.What != "restored" {
			continue
		}
		r := restore{at: e.At, from: e.At, up: e.At}
		for _, f := range timeline {
			if f.What == "fault" && f.Kind == history.Restore && f.Fault == e.Fault {
				r.from = f.At
			}
			if f.What == "start" && f.At > r.at && (r.up == r.at || f.At < r.up) {
				r.up = f.At
			}
		}
		out = append(out, r)
	}
	return out
}

// forgotten says whether what the product did at a moment is forgotten.
func (k *known) forgotten(at float64) bool {
	return slices.ContainsFunc(k.restores, func(r restore) bool { return r.from < at && at <= r.at })
}

// forgot says whether what was done at a moment was forgotten at a later one.
func (k *known) forgot(at, later float64) bool {
	return slices.ContainsFunc(k.restores, func(r restore) bool { return r.from < at && at <= r.at && r.at < later })
}

// restoredBetween says whether a ledger was put back between two moments.
func (k *known) restoredBetween(from, until float64) bool {
	return slices.ContainsFunc(k.restores, func(r restore) bool { return from < r.at && r.at <= until })
}

// undone are the orders that people gave and that are forgotten.
func undone(timeline []history.Event, rs []restore) orders {
	k := &known{restores: rs}
	return ordersOf(slices.DeleteFunc(slices.Clone(timeline), func(e history.Event) bool { return !k.forgotten(e.At) }))
}

// stray says whether a letter is of a forgotten time. It is seen a moment after it was published.
func (k *known) stray(l history.Letter) bool {
	return slices.ContainsFunc(k.restores, func(r restore) bool { return r.from < l.At && l.At < r.up })
}

// strays takes out of a record's open letters those that were written in a forgotten time and are not why it waits: they lie in the stream, so that they
// are listed, and nobody in the ledger has decided them. What dies again of the same generation has the letter of before.
func (k *known) strays(i *item) {
	if len(k.restores) == 0 || len(i.open) == 0 {
		return
	}
	stray := map[string]bool{}
	for _, l := range i.letters {
		stray[l.ID] = k.stray(l)
	}
	waits := i.state() == stateDead || i.state() == stateUnresolved
	i.open = slices.DeleteFunc(slices.Clone(i.open), func(o history.FinalLetter) bool { return stray[o.ID] && (!waits || o.Generation != i.generation()) })
}

// maybeSent says whether a record may have been sent by a job that is forgotten, as far as the product can know: of an insert that nothing tells apart from
// others only a person can say then whether it was.
func (k *known) maybeSent(r *record) bool {
	for _, j := range k.jobs {
		if j.Object != r.pipe.Object || j.Operation != r.pipe.Operation || j.Foreign || j.Called {
			continue
		}
		for _, s := range k.restores {
			// It was bound in the forgotten time, and closed then or never.
			if j.Created <= s.at && (j.Closed == 0 || s.from < j.Closed && j.Closed <= s.at) && r.tries[0].Sent <= s.at {
				return true
			}
		}
	}
	return false
}

// forgottenDelete says whether a row was deleted by a call that is forgotten: of calls the broker is not told, so that the delete is sent again, and refused
// since there is no such row.
func (k *known) forgottenDelete(x *row, code string) bool {
	gone := code == "ENTITY_NOT_FOUND" || code == "ENTITY_IS_DELETED" || code == "INVALID_CROSS_REFERENCE_KEY"
	return x.Outcome == deleted && x.job.Called && k.forgotten(x.job.Closed) && gone
}

// takenForGone says whether a delete whose row never was may be called landed: a forgotten job may have carried it, and the row is not there.
func (k *known) takenForGone(r *record) bool {
	return r.pipe.Operation == remove && r.fate == "reference/ENTITY_NOT_FOUND" && k.maybeSent(r)
}

// forgottenReplay says whether a dead record landed by a replay that somebody had ordered and that is forgotten: it waits for a person as it did before.
func (k *known) forgottenReplay(i *item, x *row) bool {
	return k.forgotten(x.job.Closed) && slices.ContainsFunc(i.letters, func(l history.Letter) bool { return k.undone.given(l, replay, resolve) })
}
