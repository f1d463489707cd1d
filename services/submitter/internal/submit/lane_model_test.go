package submit

// The exhaustive model of one lane: several versions of one entity and a row of another one, in fresh chunks and in what is sent again, with
// the product's own [Supersede]. It stands on the model of one chunk (model_test.go) and asks what that one cannot: whether the chunks of a lane
// together keep every record, send none twice and never let a value go back.
//
// A submission is abstract here: new, uploaded, bound, closed, ended. That is sound because of what the model of one chunk shows of every
// submission, whatever crashes, is lost or is taken over: it closes at most one job, once; only after the bind; only while it holds the lane; only
// with rows that were decided by an answer that is still right (no "stale answer"); it always gets there or ends with every row unprocessed; and
// its outcome is written only when none of its rows can land any more (no "late landing", "false done" or "false undone"). So a crash or a
// takeover shows here only as time that passes, and time passes between any two steps anyway. The
// other way round, that model's only assumption on the lane (what the org would say moves only while the chunk does not hold it) is what
// this model shows: no other chunk's row lands while a lane is held. The hand-over to poller and reconciler is explored beside their code
// (packages poll and account), as what the abstract ends here may be.
//
// The versions are those of one pipeline, in the order of its stream; or each is another pipeline's on the same lane, which name a member as version:
// then they come in any order, and a fresh chunk asks under the lane as a resend does.
//
// The outcome row and the end of the submission, which frees the lane, are one step here; in the product the second follows the first at any later
// time, and until then nothing else of the lane can move.

import (
	"bulkhead/libs/record"
	"bulkhead/services/submitter/internal/store"
)

const (
	laneVersions = 3 // records of the one entity, the oldest first
	laneRecords  = laneVersions + 1
	companion    = laneVersions // the record of another entity, in a chunk with the oldest
	laneChunks   = laneVersions + 2
	laneFields   = 2
)

// Where a record is.
const (
	rFresh      uint8 = iota // in its first chunk
	rWaiting                 // the retrier has it
	rAgain                   // in a chunk that is sent again
	rLanded                  // told landed
	rDead                    // its letter is open
	rSuperseded              // left out for newer ones
	rUnresolved              // nobody knows; a person decides
)

// Where a chunk is.
const (
	cNone uint8 = iota // not sealed, or over
	cNew
	cUploaded
	cBound
	cClosed
	cEnded // the job has ended as far as Salesforce says
)

// How a job ended.
const (
	endComplete uint8 = iota
	endAborted        // batches that run may still land
	endGone           // nobody can tell what landed
)

// What the org did with a row.
const (
	gPending uint8 = iota
	gLanded
	gFailed  // for now
	gInvalid // for good
	gNever   // the job ended without it
)

type laneRecord struct {
	st      uint8
	tries   uint8
	decided uint8 // how often a person said that it has not landed: each allows one try more
	sent    bool  // the ledger holds an outcome landed or missing of it
	known   bool  // the ledger holds an outcome landed of it
	times   uint8 // of an insert: how often its row was made
}

type laneChunk struct {
	st      uint8
	end     uint8
	rows    uint8 // bits of records
	checked bool
	left    uint8 // bits of records that are left out
	omit    [laneRecords]uint8
	row     [laneRecords]uint8 // what the org did
}

type laneWorld struct {
	insert                                                   bool
	beside                                                   bool                // each version is another pipeline's
	names                                                    [laneVersions]uint8 // which fields each version names
	rec                                                      [laneRecords]laneRecord
	chunk                                                    [laneChunks]laneChunk
	org                                                      [laneFields]uint8 // whose value stands there: 0 = none, else one more than the version
	holder                                                   uint8             // one more than the chunk; 0 = nobody
	refusedInARow                                            uint8
	paused                                                   bool
	fails, invalids, ends, missing, refusals, replays, backs uint8 // what has been spent
	harm                                                     laneHarm
}

type laneHarm uint8

const (
	lNone laneHarm = iota
	lDoubled
	lResent
	lStale
	lFieldLost
	lLost
	lFalseSuccess
	lFalseFailure
	lUnbounded
)

var laneHarms = [...]string{"", "doubled", "resent", "stale", "field_lost", "lost", "false_success", "false_failure", "unbounded"}

// laneBudget bounds what goes wrong, laneVersionsUsed how many versions there are.
type laneBudget struct {
	versions, tries                                          uint8
	beside                                                   bool
	fails, invalids, ends, missing, refusals, replays, backs uint8
}

// laneRules are the safeguards that a run can take away; the zero value has them all.
type laneRules struct {
	checkOutside  bool     // a resend asks before it holds the lane, and does not ask again
	noCheck       bool     // a resend asks nothing
	noBeside      bool     // only versions of one's own pipeline are asked for
	anyCovers     bool     // any newer version covers all of a row
	deadCovers    bool     // a newer version that is dead and was never sent covers
	noOrder       bool     // a fresh chunk is bound whether the one before it has its outcome or not
	noLane        bool     // chunks are bound whoever holds the lane
	laneByFact    bool     // the lane is free when the job has ended
	wholeChunk    bool     // all rows of a chunk of which one failed are sent again
	beforeOutcome bool     // rows are sent again while their job runs
	readOnce      bool     // an aborted job is reconciled while batches of it may land
	abortIsNone   bool     // an aborted job has processed nothing
	missingInsert bool     // missing rows of an insert are sent again
	byPosition    bool     // result rows are matched by their place, and Salesforce gives them in another order
	keepAnswer    bool     // a lane that is given back leaves the answer
	noPause       bool     // refused closes in a row pause nothing
	noBound       bool     // tries are not counted
	only          laneHarm // the one harm to look for; 0 = all
}

type laneModel struct {
	b    laneBudget
	r    laneRules
	emit func(string, laneWorld)
}

func bit(r int) uint8 { return 1 << r }

func (w *laneWorld) start(b laneBudget) {
	for r := int(b.versions); r < laneVersions; r++ {
		w.rec[r].st = rLanded // there is no such version
		w.names[r] = 0
	}
	if w.beside = b.beside; !w.beside {
		w.chunk[0] = laneChunk{st: cNew, rows: bit(0) | bit(companion)}
	}
}

// starts are all loads: inserts or keyed rows, and which fields the newer versions name. The oldest names both.
func (b laneBudget) starts() []laneWorld {
	var out []laneWorld
	for names := uint8(0); names < 9; names++ {
		second, third := 1+names%3, 1+names/3
		if b.versions < 3 && third != 1 {
			continue
		}
		w := laneWorld{names: [laneVersions]uint8{3, second, third}}
		w.start(b)
		out = append(out, w)
	}
	if b.beside {
		return out // an insert has no versions
	}
	w := laneWorld{insert: true, names: [laneVersions]uint8{3, 3, 3}}
	w.start(b)
	return append(out, w)
}

// next are all worlds one step away.
func (m *laneModel) next(w laneWorld, emit func(string, laneWorld)) {
	m.emit = emit
	for c := range w.chunk {
		m.submitter(&w, c)
		m.org(&w, c)
		m.reconciler(&w, c)
	}
	m.extractor(&w)
	m.retrier(&w)
	m.operator(&w)
}

// fresh says of a chunk whether it is the reader's; the others are sent again.
func fresh(c int) bool { return c < laneVersions }

// extractor seals the versions, in the order of the stream if there is one.
func (m *laneModel) extractor(w *laneWorld) {
	for c := range int(m.b.versions) {
		if w.rec[c].st != rFresh || w.chunk[c].st != cNone {
			continue
		}
		t := *w
		t.chunk[c] = laneChunk{st: cNew, rows: bit(c)}
		if c == 0 {
			t.chunk[c].rows |= bit(companion)
		}
		m.emit("seal", t)
		if !w.beside {
			return
		}
	}
}

// before says whether a fresh chunk sealed earlier has no outcome. Between pipelines there is no earlier.
func (w *laneWorld) before(c int) bool {
	if w.beside {
		return false
	}
	for e := range c {
		if w.chunk[e].st != cNone {
			return true
		}
	}
	return false
}

func (m *laneModel) free(w *laneWorld, c int) bool {
	if m.r.noLane || w.holder == 0 || int(w.holder) == c+1 {
		return true
	}
	return m.r.laneByFact && w.chunk[w.holder-1].st == cEnded
}

func (m *laneModel) submitter(w *laneWorld, c int) {
	if w.paused && w.chunk[c].st != cBound {
		return
	}
	step := func(name string, f func(t *laneWorld, k *laneChunk)) {
		t := *w
		f(&t, &t.chunk[c])
		m.emit(name, t)
	}
	switch k := w.chunk[c]; k.st {
	case cNew:
		if fresh(c) && !w.beside {
			// Ahead of its turn, but only the one behind the head.
			if c == 0 || !w.before(c-1) {
				step("upload", func(_ *laneWorld, k *laneChunk) { k.st = cUploaded })
			}
			return
		}
		if w.insert || m.r.noCheck || k.checked {
			if m.free(w, c) {
				step("take lane, upload again", func(t *laneWorld, k *laneChunk) { t.holder = uint8(c) + 1; k.st = cUploaded })
			}
			return
		}
		if m.free(w, c) || m.r.checkOutside {
			t := *w
			if !m.r.checkOutside {
				t.holder = uint8(c) + 1
			}
			t.chunk[c].checked = true
			m.check(&t, c)
			if t.chunk[c].left == t.chunk[c].rows { // nothing to send
				m.settle(&t, c)
			} else if !m.r.checkOutside {
				t.chunk[c].st = cUploaded
			}
			m.emit("take lane, ask, upload again", t)
		}
	case cUploaded:
		if m.free(w, c) && (!fresh(c) || m.r.noOrder || !w.before(c)) {
			step("bind", func(t *laneWorld, k *laneChunk) { t.holder = uint8(c) + 1; k.st = cBound })
		}
		if (!fresh(c) || w.beside) && int(w.holder) == c+1 && w.backs < m.b.backs {
			step("lane given back", func(t *laneWorld, k *laneChunk) {
				t.backs++
				t.holder, k.st = 0, cNew
				if !m.r.keepAnswer {
					k.checked, k.left, k.omit = false, 0, [laneRecords]uint8{}
				}
			})
		}
	case cBound:
		t := *w
		t.chunk[c].st = cClosed
		t.refusedInARow = 0
		m.sending(&t, c)
		m.emit("close", t)
		if w.refusals < m.b.refusals {
			step("close refused, aborted", func(t *laneWorld, k *laneChunk) {
				t.refusals++
				if t.refusedInARow++; t.refusedInARow >= 2 && !m.r.noPause {
					t.paused = true
				}
				if t.refusedInARow > 2 {
					t.harm = lUnbounded
				}
				k.st, k.end = cEnded, endComplete
				for r := range k.row {
					k.row[r] = gNever
				}
			})
		}
	}
}

// sending looks at the rows that are on their way now.
func (m *laneModel) sending(t *laneWorld, c int) {
	k := &t.chunk[c]
	for r := range t.rec {
		if k.rows&^k.left&bit(r) == 0 {
			continue
		}
		if t.rec[r].known {
			t.harm = lResent
		}
		for o := range t.chunk {
			other := &t.chunk[o]
			if o != c && other.st >= cClosed && other.rows&bit(r) != 0 && other.row[r] == gPending {
				t.harm = lResent // an earlier sending of it may still land
			}
		}
	}
}

// check decides what newer versions cover, with the product's function, and holds that against what may be left out.
func (m *laneModel) check(t *laneWorld, c int) {
	k := &t.chunk[c]
	for r := range int(m.b.versions) {
		if k.rows&bit(r) == 0 {
			continue
		}
		var later []Later
		for q := r + 1; q < int(m.b.versions); q++ {
			if t.rec[q].st == rFresh && t.chunk[q].st == cNone {
				continue // not sealed yet
			}
			l := Later{Said: t.said(q), Sent: t.rec[q].sent, Dead: t.rec[q].st == rDead}
			if t.beside {
				l.Order.Stream = "another"
			}
			if t.beside && m.r.noBeside || fresh(c) && !l.Sent {
				continue // what is not sent goes after a fresh chunk, and asks in its turn
			}
			if m.r.deadCovers {
				l.Dead = false
			}
			if m.r.anyCovers {
				l.Columns = columns(keyField, 0, 1)
			}
			later = append(later, l)
		}
		v := Supersede([]Said{t.said(r)}, later, keyField)
		if v.Drop {
			k.left |= bit(r)
			t.rec[r].st = rSuperseded
			t.mayDrop(r)
			continue
		}
		for f := range laneFields {
			if v.Reduce.Has(f) {
				k.omit[r] |= bit(f)
			}
		}
	}
}

// mayDrop holds a row that is left out against the rule: each field that it names is named by a newer one that was sent or still may be.
func (t *laneWorld) mayDrop(r int) {
	for f := range laneFields {
		if t.names[r]&bit(f) == 0 {
			continue
		}
		named, alive := false, false
		for q := r + 1; q < laneVersions; q++ {
			if t.names[q]&bit(f) != 0 {
				named, alive = true, alive || t.rec[q].sent || t.rec[q].st != rDead
			}
		}
		switch {
		case !named:
			t.harm = lFieldLost
		case !alive:
			t.harm = lLost
		}
	}
}

// keyField is the ordinal of the column that names the entity; fields are 0 and 1.
const keyField = laneFields

func (t *laneWorld) said(r int) Said {
	s := Said{Order: store.Order{At: record.Place{Seq: uint64(r) + 1}}, Columns: columns(keyField)}
	if t.beside { // the places say nothing
		s.Order = store.Order{Version: record.Version{byte(r) + 1}, At: record.Place{Seq: laneVersions - uint64(r)}}
	}
	for f := range laneFields {
		if t.names[r]&bit(f) != 0 {
			s.Columns.Set(f)
		}
	}
	return s
}
