package models

import (
	"testing"

	"bulkhead/libs/explore"
)

// One piece of work and two processes that may do it, under a lease, as pg.Hold and the statements beside it say. Time is a third of a lease,
// which is how often a claim is renewed. A process that is stopped for a while (SIGSTOP, a long collection) believes afterwards what it believed
// before, and may write once more before it looks at its clock; the clocks, the database's and its own, have gone on meanwhile.
//
// Nobody's clock is compared with another one's: a process counts from before it asked, the database from when it wrote. So a holder is never the
// longer sure of the two, but for one window: it counts from when it heard that its claim was made, and may be stopped before it hears.

const leaseThirds = 3

const (
	leaseIdle    uint8 = iota
	leaseClaimed       // its claim is made, and it has not heard of that
	leaseWorking
	leaseOver // it has written the end, and does not know whether that came through
)

type leaseWorker struct {
	st       uint8
	epoch    uint8 // 0 = the ledger's; 1 = an older one. Only that is ever compared.
	left     uint8 // thirds until it gives up, by its own clock
	failures uint8 // renewals in a row without an answer, for who counts those
	deaf     bool  // it heard late that its claim was made
	paused   bool
}

type leaseWorld struct {
	lease     uint8 // thirds left by the database's clock
	held      bool  // somebody has claimed it and not given it back
	late      bool  // a renewal under the ledger's epoch is under way that nobody waits for any more
	stage     uint8 // what is stored of the work: 0, 1, then done
	effects   uint8 // facts that tell of the end
	workers   [2]leaseWorker
	together  uint8 // thirds in which both worked, awake
	crashes   uint8
	pauses    uint8
	fails     uint8
	lates     uint8
	releases  uint8
	harm      leaseHarm
	sameOwner bool // both are of one process: a stopped goroutine and its successor
}

const leaseDone = 2

type leaseHarm uint8

const (
	leaseFine leaseHarm = iota
	leaseZombie
	leaseDoubled
	leaseTogether
	leaseNobody
)

var leaseHarms = [...]string{"", "write of a former holder", "doubled", "two go on at once", "held for nobody"}

type leaseBudget struct{ crashes, pauses, fails, lates, releases uint8 }

type leaseRules struct {
	noEpoch     bool // writes do not compare the epoch
	ownerOnly   bool // writes compare the owner's name in its place
	noStage     bool // writes do not compare the old state
	noExpiry    bool // a claim ends only when it is given back
	ownClock    bool // who claims judges the lease by its own clock, which is ahead
	holdForever bool // renewals that fail stop nobody
	byFailures  bool // a holder counts renewals that failed, not time
	renewAny    bool // a renewal does not say that the claim is lost
	renewFreed  bool // a renewal takes again what was given back
	releaseAny  bool // whoever gives back frees it for all
}

type leaseModel struct {
	b    leaseBudget
	r    leaseRules
	emit func(string, leaseWorld)
}

func (m *leaseModel) next(w leaseWorld, emit func(string, leaseWorld)) {
	m.emit = func(step string, t leaseWorld) {
		if a, b := t.workers[0], t.workers[1]; a.rank() < b.rank() {
			t.workers[0], t.workers[1] = b, a
		}
		emit(step, t)
	}
	m.tick(w, 0)
	if w.late {
		t := w
		t.late = false
		if t.held || m.r.renewFreed {
			t.lease = leaseThirds
			if !t.held {
				t.held, t.harm = true, leaseNobody
			}
		}
		m.emit("late renewal", t)
	}
	for i := range w.workers {
		m.worker(&w, i)
	}
}

// rank orders workers: which of the two is which makes no difference.
func (me leaseWorker) rank() int {
	n := int(me.st)<<8 | int(me.epoch)<<7 | int(me.left)<<4 | int(me.failures)<<2
	if me.deaf {
		n |= 2
	}
	if me.paused {
		n |= 1
	}
	return n
}

// begin is a worker that has heard of its claim.
func (me *leaseWorker) begin() { me.st, me.left = leaseWorking, leaseThirds }

// tick is a third of a lease. Each process that is awake has tried to renew in it, or has seen that its time is over.
func (m *leaseModel) tick(w leaseWorld, i int) {
	if i < len(w.workers) {
		me := w.workers[i]
		switch {
		case me.paused || me.st != leaseWorking:
			m.tick(w, i+1)
			return
		case me.left == 0:
			w.workers[i] = leaseWorker{}
			m.tick(w, i+1)
			return
		}
		t := w
		switch {
		case m.mine(&w, i):
			// The third that passes now is taken off below.
			t.lease, t.workers[i].left, t.workers[i].failures = leaseThirds+1, leaseThirds+1, 0
		case m.r.renewAny:
			t.workers[i].left, t.workers[i].failures = leaseThirds+1, 0
		default:
			t.workers[i] = leaseWorker{}
		}
		m.tick(t, i+1)
		if w.fails < m.b.fails {
			t := w
			t.fails++
			if m.r.byFailures {
				if t.workers[i].failures++; t.workers[i].failures == leaseThirds {
					t.workers[i] = leaseWorker{}
				}
			}
			m.tick(t, i+1)
		}
		if w.lates < m.b.lates && m.mine(&w, i) {
			t := w
			t.lates++
			t.late = true
			m.tick(t, i+1)
		}
		return
	}
	if w.lease > 0 {
		w.lease--
	}
	both, deaf := true, false
	for i := range w.workers {
		me := &w.workers[i]
		both = both && me.st == leaseWorking && !me.paused
		deaf = deaf || me.deaf
		switch {
		case me.st == leaseClaimed:
			me.deaf = true
		case me.st == leaseWorking && me.left > 0 && !m.r.holdForever && !m.r.byFailures:
			me.left--
		}
	}
	if both {
		// Who heard late of its claim, and then reaches no database, goes on for a lease. Its writes are fenced all that time.
		if w.together++; !deaf || w.together > leaseThirds {
			w.harm = leaseTogether
		}
	} else {
		w.together = 0
	}
	m.emit("a third of a lease passes", w)
}

// mine says whether a fenced write of worker i hits the row.
func (m *leaseModel) mine(w *leaseWorld, i int) bool {
	return w.stage < leaseDone && (w.workers[i].epoch == 0 && w.held || m.r.noEpoch || m.r.ownerOnly && w.sameOwner)
}

func (m *leaseModel) worker(w *leaseWorld, i int) {
	me := w.workers[i]
	step := func(name string, f func(t *leaseWorld, me *leaseWorker)) {
		t := *w
		f(&t, &t.workers[i])
		m.emit(name, t)
	}
	if me.paused {
		step("wakes", func(_ *leaseWorld, me *leaseWorker) { me.paused = false })
		return
	}
	if me.st != leaseIdle && w.crashes < m.b.crashes {
		step("dies", func(t *leaseWorld, me *leaseWorker) { t.crashes++; *me = leaseWorker{} })
	}
	if (me.st == leaseClaimed || me.st == leaseWorking) && w.pauses < m.b.pauses {
		step("is stopped", func(t *leaseWorld, me *leaseWorker) { t.pauses++; me.paused = true })
	}
	switch me.st {
	case leaseIdle:
		free := !w.held || w.lease == 0 && !m.r.noExpiry || m.r.ownClock && w.lease < leaseThirds
		if w.stage < leaseDone && free {
			step("claims", func(t *leaseWorld, me *leaseWorker) {
				t.held, t.lease, t.late = true, leaseThirds, false // a renewal under an older epoch hits no row
				for j := range t.workers {
					t.workers[j].epoch = 1
				}
				*me = leaseWorker{st: leaseClaimed}
			})
		}
	case leaseClaimed:
		step("begins", func(_ *leaseWorld, me *leaseWorker) { me.begin() })
	case leaseWorking:
		m.write(w, i)
		if w.releases < m.b.releases {
			step("gives back", func(t *leaseWorld, me *leaseWorker) {
				t.releases++
				if m.mine(w, i) || m.r.releaseAny {
					t.held = false
				}
				*me = leaseWorker{}
			})
		}
	case leaseOver:
		// The reply to the commit was lost. It asks again, which must change nothing, or leaves it.
		step("leaves", func(_ *leaseWorld, me *leaseWorker) { *me = leaseWorker{} })
		if w.effects < 2 {
			step("ends it again", func(t *leaseWorld, me *leaseWorker) {
				if m.r.noStage {
					t.end()
				}
				*me = leaseWorker{}
			})
		}
	}
}

// write is the work's own fenced write: progress, then the end with the fact that tells of it, in one transaction.
func (m *leaseModel) write(w *leaseWorld, i int) {
	t := *w
	if !m.mine(w, i) && !(m.r.noStage && w.workers[i].epoch == 0) {
		t.workers[i] = leaseWorker{}
		m.emit("write hits no row, stops", t)
		return
	}
	if w.workers[i].epoch != 0 {
		t.harm = leaseZombie
	}
	if t.stage == 0 {
		t.stage = 1
		m.emit("stores progress", t)
		return
	}
	t.end()
	t.workers[i] = leaseWorker{}
	m.emit("ends it", t)
	t.workers[i] = leaseWorker{st: leaseOver, epoch: w.workers[i].epoch}
	m.emit("ends it, reply lost", t)
}

func (w *leaseWorld) end() {
	w.stage, w.late = leaseDone, false
	if w.effects++; w.effects > 1 {
		w.harm = leaseDoubled
	}
}

func (m *leaseModel) explore(stopAt string) explore.Found[leaseWorld] {
	return explore.Model[leaseWorld]{
		Start: []leaseWorld{{}, {sameOwner: true}},
		Next:  m.next,
		Harm: func(w leaseWorld) string {
			if stopAt != "" && leaseHarms[w.harm] != stopAt {
				return ""
			}
			return leaseHarms[w.harm]
		},
		Ended:  func(w leaseWorld) bool { return w.stage == leaseDone },
		StopAt: stopAt,
	}.Run()
}

func TestTheProtocolOfALeaseHasOneHolderWhoseWritesCount(t *testing.T) {
	b, least := leaseBudget{crashes: 1, pauses: 2, fails: 4, lates: 1, releases: 1}, 100_000
	if explore.Race() {
		b, least = leaseBudget{crashes: 1, pauses: 1, fails: 3, lates: 1, releases: 1}, 1000
	}
	m := &leaseModel{b: b}
	f := m.explore("")
	t.Logf("%+v: %v", b, f)
	if f.Unfinished || f.States < least || len(f.Harms) != 0 || f.Stuck != 0 {
		t.Errorf("found %v, want at least %d states, no harm and nothing stuck\n%s", f, least, f.Story())
	}
}

func TestEachSafeguardOfALeaseIsNeeded(t *testing.T) {
	const stuck = "stuck"
	tests := []struct {
		without string
		r       leaseRules
		finds   string
	}{
		{"the epoch in every write", leaseRules{noEpoch: true}, leaseHarms[leaseZombie]},
		{"an epoch for each claim, not each process", leaseRules{ownerOnly: true}, leaseHarms[leaseZombie]},
		{"the old state in every write", leaseRules{noStage: true}, leaseHarms[leaseDoubled]},
		{"an end of each lease", leaseRules{noExpiry: true}, stuck},
		{"one clock for all leases", leaseRules{ownClock: true, renewAny: true}, leaseHarms[leaseTogether]},
		{"an end of work whose renewals fail", leaseRules{holdForever: true}, leaseHarms[leaseTogether]},
		{"giving up by the clock, not by renewals that failed", leaseRules{byFailures: true}, leaseHarms[leaseTogether]},
		{"renewing only what was not given back", leaseRules{renewFreed: true}, leaseHarms[leaseNobody]},
		{"renewals that say that the claim is lost", leaseRules{renewAny: true}, leaseHarms[leaseTogether]},
		{"giving back only what is one's own", leaseRules{releaseAny: true, renewAny: true}, leaseHarms[leaseTogether]},
	}
	for _, tt := range tests {
		t.Run("without "+tt.without, func(t *testing.T) {
			m := &leaseModel{b: leaseBudget{crashes: 1, pauses: 1, fails: 8, lates: 1, releases: 1}, r: tt.r}
			stopAt := tt.finds
			if stopAt == stuck {
				stopAt = ""
			}
			f := m.explore(stopAt)
			t.Log(f)
			if tt.finds == stuck && f.Stuck > 0 || f.Harms[tt.finds] > 0 {
				return
			}
			t.Errorf("found %v, want %q: either the safeguard is not needed or the model is blind", f, tt.finds)
		})
	}
}
