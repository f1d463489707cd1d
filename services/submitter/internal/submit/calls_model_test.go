package submit

// The exhaustive model of a small chunk that goes by calls of collections, two of them, driven by the product's [Step]. Two workers, one of which may be the
// paused twin of the other; crashes and hostile takeovers anywhere, answers that are lost with the effect done, not done or done later, refusals.
//
// Time is three moments of the call that was written down last: it may go out; its deadline is over, and whoever looks sends nothing of it any more; the
// margin is over too, and what was on its way has landed or never will. The last is what the design takes for granted and names in the guarantees (a request
// that the network holds beyond the margin). Whoever looked just before the deadline has sent: between the two stands no other step, as in the client.

import (
	"testing"

	"bulkhead/libs/explore"
)

const callGroups = 2 // a chunk's rows, those of each call together

// What the ledger says.
const (
	kClaimed uint8 = iota
	kSent
	kAnswered
	kByJob   // it goes by a job: the other model
	kOutcome // its outcome is written, its lane is free
)

// The moments of the call that was written down last.
const (
	mOver   uint8 = iota // nothing of it can land any more, or it is answered, or void
	mOpen                // it may go out
	mClosed              // its deadline is over
)

type callWorker struct {
	alive, mine bool
	s           State[uint8]
	group       uint8 // of the call that it wrote down
	own         bool  // that call is the one that was written down last
	out, back   bool  // it waits for the answer of its call; the answer is there
}

type callWorld struct {
	stage   uint8
	lane    bool
	moment  uint8
	next    uint8             // the first group without an answer
	unsure  [callGroups]bool  // a call was made for it whose answer nobody knows
	landed  [callGroups]bool  // its rows are in the org
	told    [callGroups]bool  // the ledger says so
	flying  [callGroups]uint8 // calls for it that are on their way
	rest    bool              // what is left is not sent
	workers [2]callWorker

	crashes, losses, takeovers, refusals, holds uint8
	harm                                        callHarm
}

type callHarm uint8

const (
	callFine callHarm = iota
	callLate
	callTwice
	callUnwritten
	callNoLane
	callFalseDone
	callFalseUndone
)

var callHarms = [...]string{"", "late landing", "sent while another may land", "sent and not written down", "sent without the lane", "false done", "false undone"}

type callBudget struct{ crashes, losses, takeovers, refusals, holds uint8 }

// callRules are the safeguards outside Step that a run can take away.
type callRules struct {
	noEpoch    bool // writes do not compare the epoch
	noDeadline bool // a call is made however late it is
	noWait     bool // a takeover does not wait until the call in hand can land no more
	noMargin   bool // a takeover waits for the deadline only
	undone     bool // rows of a call without an answer count as never looked at
	step       func(State[uint8], Event[uint8]) State[uint8]
}

type callModel struct {
	b    callBudget
	r    callRules
	emit func(string, callWorld)
}

func (m *callModel) next(w callWorld, emit func(string, callWorld)) {
	m.emit = emit
	for i := range w.workers {
		m.worker(&w, i)
	}
	for g, n := range w.flying {
		if n == 0 {
			continue
		}
		t := w
		t.flying[g]--
		t.land(uint8(g))
		m.emit("lands", t)
		for i, me := range w.workers {
			if me.out && !me.back && me.group == uint8(g) {
				r := t
				r.workers[i].back = true
				m.emit("lands, and the answer comes", r)
			}
		}
		t = w
		t.flying[g]--
		m.emit("never lands", t)
	}
	switch {
	case w.moment == mOpen:
		t := w
		t.moment = mClosed
		m.emit("deadline", t)
	case w.moment == mClosed && (w.flying == [callGroups]uint8{} || m.r.noMargin):
		t := w
		t.moment = mOver
		m.emit("margin", t)
	}
	if w.stage == kAnswered {
		m.reconcile(w)
	}
}

func (w *callWorld) land(g uint8) {
	w.landed[g] = true
	switch {
	case w.stage == kOutcome:
		w.harm = callLate // a newer version of the row may have landed since
	case !w.lane:
		w.harm = callNoLane
	}
}

func (m *callModel) reconcile(w callWorld) {
	for g := range w.landed {
		switch {
		case w.told[g] && !w.landed[g]:
			w.harm = callFalseDone
		case !w.told[g] && w.landed[g] && (!w.unsure[g] || m.r.undone):
			w.harm = callFalseUndone
		}
	}
	w.stage, w.lane = kOutcome, false
	m.emit("outcome", w)
}

func (m *callModel) worker(w *callWorld, i int) {
	me := w.workers[i]
	if !me.alive {
		m.claim(w, i)
		return
	}
	if w.crashes < m.b.crashes {
		t := *w
		t.crashes++
		t.workers[i] = callWorker{}
		m.emit("crash", t)
	}
	m.perform(w, i)
}

func (m *callModel) claim(w *callWorld, i int) {
	other := w.workers[1-i]
	if w.stage > kSent || w.stage == kSent && w.moment != mOver && !m.r.noWait || other.alive && w.takeovers >= m.b.takeovers {
		return
	}
	t := *w
	if other.alive {
		t.takeovers++
	}
	t.workers[1-i].mine = false
	e := Event[uint8]{Kind: Claimed, Stored: Stored[uint8]{Stage: StageClaimed, Straight: true, Collects: true}}
	if t.stage == kSent {
		e.Stored = Stored[uint8]{Stage: StageSent}
	}
	t.workers[i] = callWorker{alive: true, mine: true, s: m.r.step(State[uint8]{}, e)}
	m.end("claim", t, i)
	if t.stage == kSent {
		e.Stored.Silent = true
		t.workers[i] = callWorker{alive: true, mine: true, s: m.r.step(State[uint8]{}, e)}
		m.end("claim behind many calls without an answer", t, i)
	}
}

// came goes on with what came of a worker's action.
func (m *callModel) came(name string, t callWorld, i int, k Kind) {
	t.workers[i].out, t.workers[i].back = false, false
	t.workers[i].s = m.r.step(t.workers[i].s, kind(k))
	m.end(name, t, i)
}

func (m *callModel) end(name string, t callWorld, i int) {
	if do := t.workers[i].s.Do; do == Stop || do == Park {
		t.workers[i] = callWorker{}
	}
	m.emit(name, t)
}

// write is a fenced write on a stage.
func (m *callModel) write(w *callWorld, i int, name string, ok bool, came Kind, f func(t *callWorld)) {
	if !ok || !w.workers[i].mine && !m.r.noEpoch {
		m.came(name+" fenced", *w, i, Fenced)
		return
	}
	t := *w
	f(&t)
	m.came(name, t, i, came)
}

func (m *callModel) perform(w *callWorld, i int) {
	me := w.workers[i]
	mine := w.stage == kSent && (me.own || m.r.noEpoch)
	switch me.s.Do {
	case SaveSent:
		m.write(w, i, "save sent", w.stage <= kSent && (w.moment == mOver || m.r.noWait || m.r.noEpoch) && w.next < callGroups, Done, func(t *callWorld) {
			t.stage, t.lane, t.moment = kSent, true, mOpen
			t.unsure[t.next] = true
			t.workers[1-i].own = false
			t.workers[i].group, t.workers[i].own = t.next, true
		})
	case Call:
		m.call(w, i)
	case SaveAnswer:
		last := me.group+1 == callGroups
		came := More
		if last {
			came = Done
		}
		m.write(w, i, "save answer", mine, came, func(t *callWorld) {
			t.told[me.group] = true
			t.next, t.moment = me.group+1, mOver
			if last {
				t.stage = kAnswered
			}
		})
	case SaveVoid:
		m.write(w, i, "save void", mine, Done, func(t *callWorld) {
			t.moment = mOver
			if !me.s.Begun {
				t.unsure[me.group] = false
				t.stage, t.lane = kClaimed, false
				if me.s.Refused {
					t.stage = kByJob
				}
			}
		})
	case SaveRest:
		if !me.s.Refused { // no call of its own: nothing was sent since the last one could land no more
			mine = w.stage == kSent && w.moment == mOver
			m.came("the org answers nobody", *w, i, Unsure)
		}
		m.write(w, i, "save rest", mine, Done, func(t *callWorld) { t.stage, t.rest, t.moment = kAnswered, true, mOver })
	case Create:
		t := *w
		t.workers[i] = callWorker{}
		m.emit("by a job", t)
	default:
		m.came("?", *w, i, Broken)
	}
}

// call is the call itself: sent, if its deadline is not over. Its answer may come at once, or when its deadline is over and somebody else has the chunk.
func (m *callModel) call(w *callWorld, i int) {
	me := w.workers[i]
	if me.out {
		if me.back {
			m.came("answer", *w, i, Done)
		}
		m.came("answer is not waited for any longer", *w, i, Unsure)
		return
	}
	late := !me.own || w.moment != mOpen // another call is in hand only when this one's time was over
	if late && !m.r.noDeadline {
		m.came("call is late", *w, i, NoEffect)
		return
	}
	t := *w
	if w.holds < m.b.holds {
		t.holds++
		m.came("call is held back", t, i, NoEffect)
	}
	t = *w
	g := me.group
	switch {
	case t.stage != kSent || !t.unsure[g]:
		t.harm = callUnwritten
	case t.flying[g] > 0:
		t.harm = callTwice
	}
	if w.refusals < m.b.refusals {
		r := t
		r.refusals++
		m.came("call is refused", r, i, Refused)
	}
	if w.losses < m.b.losses {
		lost := t
		lost.losses++
		lost.flying[g]++
		m.came("call is on its way", lost, i, Unsure)
		lost.workers[i].out = true
		m.emit("call is on its way and its answer waited for", lost)
	}
	t.land(g)
	m.came("call", t, i, Done)
	if w.losses < m.b.losses {
		t.losses++
		m.came("answer lost", t, i, Unsure)
	}
}

func (m *callModel) explore(stopAt string) explore.Found[callWorld] {
	if m.r.step == nil {
		m.r.step = Step[uint8]
	}
	return explore.Model[callWorld]{
		Start: []callWorld{{}}, Next: m.next,
		Harm:   func(w callWorld) string { return callHarms[w.harm] },
		Ended:  func(w callWorld) bool { return w.stage == kOutcome || w.stage == kByJob },
		StopAt: stopAt, Limit: 10_000_000,
	}.Run()
}

func TestCallsLandUnderTheLaneAndAreAccountedFor(t *testing.T) {
	b := callBudget{crashes: 2, losses: 3, takeovers: 2, refusals: 1, holds: 1}
	if explore.Race() {
		b = callBudget{1, 1, 1, 1, 1}
	}
	m := &callModel{b: b}
	f := m.explore("")
	t.Logf("%+v: %v", b, f)
	if len(f.Harms) != 0 || f.Stuck != 0 || f.Unfinished || f.States < 1000 {
		t.Errorf("found %v, want no harm, nothing stuck and at least 1000 states", f)
	}
}

func TestEachSafeguardOfCallsIsNeeded(t *testing.T) {
	one := callBudget{1, 1, 1, 1, 1}
	tests := []struct {
		without string
		r       callRules
		finds   callHarm
	}{
		{"the epoch in every write", callRules{noEpoch: true}, callLate},
		{"the deadline: a paused twin's late call", callRules{noDeadline: true}, callLate},
		{"waiting until the call in hand can land no more", callRules{noWait: true}, callTwice},
		{"the margin behind the deadline", callRules{noMargin: true}, callTwice},
		{"writing the call down first", callRules{step: callFirst, noDeadline: true}, callUnwritten},
		{"calling again for rows without an answer", callRules{step: instead(Call, goTo(SaveAnswer), Unsure)}, callFalseDone},
		{"telling a call without an answer from one that had no effect", callRules{step: instead(Call, goTo(SaveVoid), Unsure)}, callNoLane},
		{"taking rows of a call without an answer as missing", callRules{undone: true}, callFalseUndone},
	}
	for _, tt := range tests {
		t.Run("without "+tt.without, func(t *testing.T) {
			m := &callModel{b: one, r: tt.r}
			f := m.explore(callHarms[tt.finds])
			t.Log(f)
			if f.Harms[callHarms[tt.finds]] == 0 {
				t.Errorf("found %v, want %q: either the safeguard is not needed or the model is blind", f, callHarms[tt.finds])
			}
		})
	}
}

// callFirst makes the call and writes it down when its answer is there.
func callFirst(s State[uint8], e Event[uint8]) State[uint8] {
	if s.Do == Claim && e.Kind == Claimed && e.Stored.Stage == StageClaimed {
		return State[uint8]{Do: Call, Collects: true}
	}
	return Step(s, e)
}
