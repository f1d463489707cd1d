package models

import (
	"testing"

	"bulkhead/libs/explore"
)

// One piece of work and two processes that may do it, under a lease. Time is a third of a lease, which is how often a claim is renewed. A process
// that is stopped for a while ([SIGSTOP], a long collection) believes afterwards what it believed before; the database's clock goes on.

const leaseThirds = 3

const (
	leaseIdle uint8 = iota
	leaseWorking
	leaseOver // it has written the end, and does not know whether that came through
)

type leaseWorker struct {
	st       uint8
	epoch    uint8 // 0 = the ledger's; 1 = an older one. Only that is ever compared.
	failures uint8 // renewals in a row without an answer
	paused   bool
}

type leaseWorld struct {
	lease     uint8 // thirds left by the database's clock
	held      bool  // somebody has claimed it and not given it back
	stage     uint8 // what is stored of the work: 0, 1, then done
	effects   uint8 // facts that tell of the end
	workers   [2]leaseWorker
	together  uint8 // thirds in which both worked, awake
	crashes   uint8
	pauses    uint8
	fails     uint8
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
)

var leaseHarms = [...]string{"", "write of a former holder", "doubled", "two hold it for more than a lease"}

type leaseBudget struct{ crashes, pauses, fails, releases uint8 }

type leaseRules struct {
	noEpoch     bool // writes do not compare the epoch
	ownerOnly   bool // writes compare the owner's name in its place
	noStage     bool // writes do not compare the old state
	noExpiry    bool // a claim ends only when it is given back
	ownClock    bool // who claims judges the lease by its own clock, which is ahead
	holdForever bool // renewals that fail stop nobody
	renewAny    bool // a renewal does not say that the claim is lost
	releaseAny  bool // whoever gives back frees it for all
}

type leaseModel struct {
	b    leaseBudget
	r    leaseRules
	emit func(string, leaseWorld)
}

func (m *leaseModel) next(w leaseWorld, emit func(string, leaseWorld)) {
	m.emit = func(step string, t leaseWorld) {
		if a, b := t.workers[0], t.workers[1]; a.st < b.st {
			t.workers[0], t.workers[1] = b, a
		}
		emit(step, t)
	}
	m.tick(w, 0)
	for i := range w.workers {
		m.worker(&w, i)
	}
}

// tick is a third of a lease. Each process that is awake has tried to renew in it.
func (m *leaseModel) tick(w leaseWorld, i int) {
	if i < len(w.workers) {
		me := w.workers[i]
		if me.st != leaseWorking || me.paused {
			m.tick(w, i+1)
			return
		}
		t := w
		switch {
		case m.mine(&w, i):
			t.lease, t.workers[i].failures = leaseThirds+1, 0 // the third that passes now is taken off below
		case !m.r.renewAny:
			t.workers[i] = leaseWorker{}
		}
		m.tick(t, i+1)
		if w.fails < m.b.fails {
			t := w
			t.fails++
			if t.workers[i].failures++; t.workers[i].failures >= leaseThirds && !m.r.holdForever {
				t.workers[i] = leaseWorker{}
			}
			m.tick(t, i+1)
		}
		return
	}
	if w.lease > 0 {
		w.lease--
	}
	both := true
	for _, me := range w.workers {
		both = both && me.st == leaseWorking && !me.paused
	}
	if both {
		// A holder that slept past its lease and then reaches no database goes on until its renewals have failed for a lease. Its writes are
		// fenced all that time.
		if w.together++; w.together > leaseThirds {
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
	if me.st == leaseWorking && w.pauses < m.b.pauses {
		step("is stopped", func(t *leaseWorld, me *leaseWorker) { t.pauses++; me.paused = true })
	}
	switch me.st {
	case leaseIdle:
		free := !w.held || w.lease == 0 && !m.r.noExpiry || m.r.ownClock && w.lease < leaseThirds
		if w.stage < leaseDone && free {
			step("claims", func(t *leaseWorld, me *leaseWorker) {
				t.held, t.lease = true, leaseThirds
				for j := range t.workers {
					t.workers[j].epoch = 1
				}
				*me = leaseWorker{st: leaseWorking}
			})
		}
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
	w.stage = leaseDone
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
	b, least := leaseBudget{crashes: 3, pauses: 3, fails: 7, releases: 2}, 10_000
	if explore.Race() {
		b, least = leaseBudget{crashes: 2, pauses: 2, fails: 4, releases: 1}, 1000
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
		{"renewals that say that the claim is lost", leaseRules{renewAny: true}, leaseHarms[leaseTogether]},
		{"giving back only what is one's own", leaseRules{releaseAny: true, renewAny: true}, leaseHarms[leaseTogether]},
	}
	for _, tt := range tests {
		t.Run("without "+tt.without, func(t *testing.T) {
			m := &leaseModel{b: leaseBudget{crashes: 1, pauses: 1, fails: 8, releases: 1}, r: tt.r}
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
