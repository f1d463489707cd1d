package submit

// A restored ledger in the model of one chunk: once in a run the ledger's part of the world is remembered, and once, at any later moment, put back. The org, its
// jobs, late closes and what was told on FLOW stay as they are. Nobody works meanwhile: the services are stopped for it. Where nothing of the chunk was
// stored in the remembered ledger its records may also come back in another chunk, read again.
//
// What is told for sure is told after its commit, so that before a restore no comparison finds anything: only behind one do comparisons have a step of their own.
// What poller and reconciler had seen at the remembered moment they see again, so that no ledger in which they have begun is remembered: it knows the job.
//
// Others of the lane compare before they send, as the chunk does. What they sent in the forgotten time is sent again behind the chunk, so the org's truth goes
// back with the ledger.

import (
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// stored is the ledger's part of a world.
type stored struct {
	stage, job, truth, answer uint8
	lane, uploaded, refused   bool
	watch, notFound, outcome  uint8
}

func (w *world) ledger() stored {
	return stored{w.stage, w.job, w.truth, w.answer, w.lane, w.uploaded, w.refused, w.watch, w.notFound, w.outcome}
}

// Where a restore is.
const (
	bNone     uint8 = iota
	bSaved          // the ledger is remembered
	bRestored       // it was put back
)

// Where a recovery is; what a worker has decided under is one of them too.
const (
	recNone uint8 = iota
	recOpen
	recDone
)

// backup remembers the ledger, or puts it back.
func (m *model) backup(w *world) {
	if w.restores >= m.b.restores && w.past == bNone {
		return
	}
	t := *w
	switch w.past {
	case bNone:
		if w.outcome == oNone && w.watch == wNone && w.notFound == 0 {
			t.restores++
			t.past, t.kept = bSaved, w.ledger()
			m.emit(t)
		}
	case bSaved:
		k := w.kept
		t.past, t.kept, t.workers = bRestored, stored{}, [2]mWorker{}
		t.stage, t.job, t.truth, t.answer, t.lane, t.uploaded, t.refused = k.stage, k.job, k.truth, k.answer, k.lane, k.uploaded, k.refused
		t.watch, t.notFound, t.outcome = k.watch, k.notFound, k.outcome
		for j := range t.jobs {
			t.jobs[j].ours = false // why we aborted it is forgotten too
		}
		m.emit(t)
		if k.stage == lClaimed && k.answer == 0 && !k.lane {
			t.again = true
			m.emit(t)
		}
	}
}

// knows says whether the ledger holds the binding of a job.
func (w *world) knows(j uint8) bool { return w.job == j && w.stage >= lBound && w.stage != lDoubted }

// forgotten is a job that was told bound and that the ledger does not know, 0 = there is none, or it was found.
func (w *world) forgotten() uint8 {
	if w.past != bRestored || w.forgot != 0 {
		return 0
	}
	for j := uint8(1); int(j) < len(w.jobs); j++ {
		if w.jobs[j].told && !w.knows(j) {
			return j
		}
	}
	return 0
}

// findOut is a comparison of the ledger with what was told.
func (m *model) findOut(w *world) {
	if j := w.forgotten(); j != 0 && !m.r.noCompare {
		w.forgot, w.recovery = j, recOpen
		w.adopts = w.insert && !w.again && w.stage <= lCreated && w.outcome == oNone
	}
}

// remembers is what a worker learns at its claim of what was forgotten, and under which state of the recovery it decides.
func (m *model) remembers(w *world, s *Stored[uint8]) (decided uint8) {
	if w.recovery == recDone && s.Stage != StageBound && s.Stage != StageSubmitted {
		s.Adopts = w.adopts
		s.Doubted = w.insert && !w.adopts && !m.r.noDoubt
		if s.Adopts {
			s.Forgotten = w.forgot
		}
	}
	return w.recovery
}

// gated is a fenced write that needs the gate of recoveries, behind a comparison.
func (m *model) gated(w *world, i int, compares bool, from func(*world) bool, f func(*world)) {
	me := &w.workers[i]
	if w.past != bRestored {
		m.write(w, i, from, f)
		return
	}
	if compares && !me.compared {
		t := *w
		t.workers[i].compared = true
		m.findOut(&t)
		m.pos = append(m.pos, possible{w: t, stay: true})
		if w.losses < m.b.losses { // the broker cannot be asked
			t = *w
			t.losses++
			m.add(t, kind(Unsure))
		}
		return
	}
	// Whoever decided while a recovery was open has decided nothing.
	closed := w.recovery == recOpen || (me.decided == recOpen || me.decided != w.recovery) && !m.r.noAnew
	if (m.r.noEpoch || me.mine) && from(w) && closed {
		m.add(*w, kind(Waiting))
		return
	}
	m.write(w, i, from, f)
}

// adopt binds the chunk to its forgotten job again.
func (m *model) adopt(w *world, i int) {
	m.gated(w, i, false, stageIs(lClaimed, lCreated), func(t *world) {
		t.stage, t.job, t.lane, t.uploaded, t.refused = lBound, t.forgot, true, true, false
	})
}

// saveDoubted ends the sending of the chunk.
func (m *model) saveDoubted(w *world, i int) {
	m.gated(w, i, true, stageIs(lClaimed, lCreated), func(t *world) { t.stage, t.job, t.lane = lDoubted, 0, true })
}

// recoveryWaits are such that the second look in a row at a failed or aborted job is behind its wait, and the third at one that is not found.
var recoveryWaits = record.Waits{Settle: 1, Gone: confirmations - 1}

// jobStates are the org's states of jobs as Salesforce writes them.
var jobStates = [...]string{
	jOpen: salesforce.StateOpen, jQueued: salesforce.StateInProgress, jDone: salesforce.StateJobComplete, jFailed: salesforce.StateFailed,
	jAborted: salesforce.StateAborted, jGone: stateGone,
}

// recover sweeps for what was forgotten, and sees a forgotten job to its end, by the product's own decision.
func (m *model) recover(w *world) {
	if w.forgotten() != 0 && !m.r.noCompare {
		t := *w
		m.findOut(&t)
		m.emit(t)
	}
	if w.recovery != recOpen {
		return
	}
	if m.r.noWait {
		t := *w
		t.recovery = recDone
		m.emit(t)
	}
	job := w.jobs[w.forgot]
	m.lookAtForgotten(w, job.st)
	if job.st != jGone && w.wrongs < m.b.wrongs {
		t := *w
		t.wrongs++
		m.lookAtForgotten(&t, jGone)
	}
}

func (m *model) lookAtForgotten(w *world, seen uint8) {
	if w.jobs[w.forgot].running && w.seen == seen && !m.r.lookOnce {
		return // the wait is longer than that
	}
	t := *w
	steady := time.Duration(w.looks)
	if w.seen != seen {
		t.seen, t.looks = seen, 0
	}
	t.looks = min(t.looks+1, confirmations)
	ending := DecideForgotten(jobStates[w.seen], time.Time{}, jobStates[seen], time.Time{}.Add(steady), recoveryWaits)
	switch {
	case m.r.goneAtOnce && seen == jGone, m.r.leavesOpen && ending == AbortIt, m.r.lookOnce && seen == jAborted:
		ending = Over
	}
	switch ending {
	case Over:
		t.recovery, t.seen, t.looks = recDone, 0, 0
	case AbortIt:
		t.jobs[w.forgot].aborted()
		t.seen, t.looks = jAborted, 1
		if w.losses < m.b.losses { // it was aborted, and nobody heard
			lost := t
			lost.losses++
			lost.seen, lost.looks = w.seen, w.looks
			m.emit(lost)
		}
	case LookAgain:
	}
	m.emit(t)
}

// mayLand says whether another job of the rows may still land.
func (w *world) mayLand(than uint8) bool {
	for j := 1; j < len(w.jobs); j++ {
		job := w.jobs[j]
		if uint8(j) != than && (job.st == jQueued || job.running || job.late && job.st == jOpen && !job.bad && job.data != dSpoilt) {
			return true
		}
	}
	return false
}

// repeats says whether it is no harm that the rows land once more: they are keyed, and it is forgotten that they were sent.
func (w *world) repeats() bool { return w.past == bRestored && !w.insert }
