package submit

// The exhaustive model of one chunk's submission. Two workers run [Step] against a ledger and an org; crashes happen anywhere, replies are
// lost with the effect done, not done or done later, a lease is taken over while its holder still works, jobs expire, fail, are aborted or
// deleted by others, a 404 is wrong, a close is refused for good; the ledger is put back to an earlier moment. The poller and the reconciler are in it too, as what they may conclude.
//
// What is asked under the lane (newer versions, ids of rows) is in it as one number: the org's truth may move while the chunk does not hold its lane,
// which a paused chunk may lose before the bind. Asking and storing the answer are two steps, so that a worker may come too late with an old one.
//
// Two abstractions keep it finite and lose nothing: an epoch is only ever compared with the ledger's, so a worker carries one bit for
// "mine is the ledger's"; and an Open job that neither ledger nor any worker knows can never be acted on again, so it is forgotten. Time is
// what lets the reconciler read twice: its second read sees a settled job.

// The stages of the ledger row, as a number.
var stageOf = [...]Stage{StageClaimed, StageCreated, StageBound, StageSubmitted}

const (
	lClaimed uint8 = iota
	lCreated
	lBound
	lSubmitted
	lDoubted // its sending is over behind a restore, and nobody knows what became of the rows
)

// States of a job in the org.
const (
	jNone uint8 = iota
	jOpen
	jQueued // UploadComplete or InProgress: it will land
	jDone   // JobComplete
	jFailed // nothing of it landed
	jAborted
	jGone // deleted or expired: every call answers 404
)

// What a job holds.
const (
	dNothing uint8 = iota
	dWhole
	dPart   // an upload that broke off
	dSpoilt // a second upload: Salesforce refuses the close
)

type mJob struct {
	st, data uint8
	landed   bool  // its rows are in the org
	bad      bool  // Salesforce refuses its close for good
	late     bool  // a close is under way that nobody waits for any more
	running  bool  // aborted while batches ran: they may still land
	ours     bool  // aborted by us
	answer   uint8 // what was uploaded was decided by
	told     bool  // its job_bound is in the stream
}

type mWorker struct {
	alive bool
	mine  bool // its epoch is the ledger's
	s     State[uint8]
	// answer is what the org said under the lane, as this worker knows it: 0 = nothing, else one more than the truth that it told.
	answer uint8
	// decided is the state of the recovery at its claim, compared says that the ledger was compared before the move at hand.
	decided  uint8
	compared bool
}

// What the poller has concluded.
const (
	wNone uint8 = iota
	wOpen       // saw the job Open: the submitter takes it up again
	wDone
	wFailed
	wAborted
	wGone
)

// The outcome of the chunk, as the reconciler writes it.
const (
	oNone uint8 = iota
	oLanded
	oUnprocessed // the rows are sent again
	oMissing     // the rows are sent again
)

type world struct {
	jobs                                                 [7]mJob // slot 0 is never used: no job
	stage                                                uint8
	job                                                  uint8
	straight                                             bool  // nothing has to be asked under the lane
	insert                                               bool  // each landing makes a row
	lane                                                 bool  // the chunk holds it
	truth                                                uint8 // what the org would say; it moves only while the chunk has not the lane
	answer                                               uint8 // the stored answer, as a worker's
	uploaded                                             bool
	refused                                              bool
	workers                                              [2]mWorker
	applied                                              uint8 // how often the rows have landed
	watch                                                uint8
	notFound                                             uint8
	outcome                                              uint8
	crashes, losses, takeovers, wrongs, refusals, others uint8 // what has been spent of each budget
	handed                                               uint8 // how often the lane was taken back
	restores                                             uint8
	past                                                 uint8  // where the restore is
	kept                                                 stored // the remembered ledger
	again                                                bool   // the chunk is another one, of the same records
	forgot                                               uint8  // the job that was forgotten and found
	adopts                                               bool   // the chunk is to be bound to it
	recovery, seen, looks                                uint8  // of it: how far, what it was seen in last, how often in a row
	harm                                                 uint8  // first thing that must never happen
}

// What must never happen.
const (
	hNone uint8 = iota
	hDuplicate
	hFalseDone   // landed is written, the rows have not
	hFalseUndone // unprocessed is written, the rows have landed
	hLate        // rows land after the outcome is written
	hDamaged     // a job is closed over an upload that is not known to be whole
	hUntold      // a job is closed before job_bound was acknowledged
	hStale       // a job is closed whose rows were decided by an answer that is old, or by none
	hUnexplained // we aborted the job, and nothing says why: nobody would count refused closes
	hSmall       // the model has no number left for a job: what would follow from it was not explored
)

var harmNames = [...]string{
	"", "duplicate", "false done", "false undone", "late landing", "damaged upload", "unannounced close", "stale answer", "unexplained abort",
	"model too small",
}

// budget bounds what goes wrong in one run.
type budget struct{ crashes, losses, takeovers, wrongs, refusals, others, moves, handed, restores uint8 }

// rules are the safeguards outside Step that a run can take away; the zero value has them all.
type rules struct {
	noEpoch        bool  // writes do not compare the epoch
	saveAfterClose bool  // the ledger hears of the job only after the close
	bindBlind      bool  // bind does not compare the stage: it moves whatever it finds
	goneAtOnce     bool  // the poller believes the first 404
	readOnce       bool  // the reconciler reads an aborted job once
	timerEnds      bool  // the poller gives a job up after a while
	noReadopt      bool  // nobody takes up a job that was handed over Open
	keepAnswer     bool  // a lane that is taken back leaves the answer
	noCompare      bool  // nobody looks whether what was told bound is known
	noWait         bool  // a recovery does not wait until its job has ended
	leavesOpen     bool  // a forgotten job that is Open counts as ended
	lookOnce       bool  // a forgotten job that was aborted counts as ended at the first look
	noAnew         bool  // whoever was claimed before a recovery was done goes on with what it decided
	noDoubt        bool  // rows that a forgotten job may have carried are sent
	only           uint8 // the one harm to look for; 0 = all
	step           func(State[uint8], Event[uint8]) State[uint8]
}

// possible is one thing that may come of an action.
type possible struct {
	w    world
	e    Event[uint8]
	stay bool // in the middle of the action
}

func kind(k Kind) Event[uint8] { return Event[uint8]{Kind: k} }

type model struct {
	b   budget
	r   rules
	out []world
	pos []possible
}

func (m *model) emit(w world) {
	if m.r.only != hNone && w.harm != m.r.only {
		w.harm = hNone
	}
	w.normalise()
	m.out = append(m.out, w)
}

// next are all worlds one step away.
func (m *model) next(w *world) []world {
	m.out = m.out[:0]
	if w.harm != hNone {
		return nil
	}
	m.org(w)
	m.backup(w)
	m.recover(w)
	m.others(w)
	m.poller(w)
	m.reconciler(w)
	for i := range w.workers {
		m.worker(w, i)
	}
	return m.out
}

func (m *model) worker(w *world, i int) {
	me := w.workers[i]
	if !me.alive || me.s.Do == Stop {
		m.claim(w, i)
		return
	}
	if w.crashes < m.b.crashes {
		t := *w
		t.crashes++
		t.workers[i] = mWorker{}
		m.emit(t)
	}
	m.pos = m.pos[:0]
	m.perform(w, i)
	for _, p := range m.pos {
		t := p.w
		if !p.stay {
			t.workers[i].s = m.r.step(me.s, p.e)
			t.workers[i].compared = false
		}
		m.emit(t)
	}
}

// claim takes the submission for worker i: at once when nobody works on it, from the pool of takeovers while the other still does.
func (m *model) claim(w *world, i int) {
	if w.outcome != oNone || w.stage == lDoubted {
		return
	}
	open := w.stage != lSubmitted || (w.watch == wOpen && !m.r.noReadopt)
	other := w.workers[1-i]
	busy := other.alive && other.s.Do != Stop
	if !open || busy && w.takeovers >= m.b.takeovers {
		return
	}
	t := *w
	if busy {
		t.takeovers++
	}
	if t.stage == lSubmitted { // the move back: the poller says that the job is Open
		t.stage, t.watch = lBound, wNone
	}
	t.workers[1-i].mine = false
	e := Event[uint8]{Kind: Claimed, Stored: Stored[uint8]{
		Stage: stageOf[t.stage], Job: t.job, Straight: t.straight, Checked: t.answer != 0, Uploaded: t.uploaded, Refused: t.refused,
	}}
	decided := m.remembers(&t, &e.Stored)
	t.workers[i] = mWorker{alive: true, mine: true, answer: t.answer, decided: decided, s: m.r.step(State[uint8]{}, e)}
	m.emit(t)
}

func (m *model) add(w world, e Event[uint8]) { m.pos = append(m.pos, possible{w: w, e: e}) }

// write is a fenced write: it hits no row when the epoch is not the writer's or the stage is another one.
func (m *model) write(w *world, i int, from func(*world) bool, f func(*world)) {
	if m.r.noEpoch || w.workers[i].mine {
		if from(w) {
			t := *w
			f(&t)
			m.add(t, kind(Done))
			return
		}
	}
	m.add(*w, kind(Fenced))
}

func stageIs(stages ...uint8) func(*world) bool {
	return func(w *world) bool {
		for _, s := range stages {
			if w.stage == s {
				return true
			}
		}
		return false
	}
}

// perform collects what may come of the action that worker i is about to do.
func (m *model) perform(w *world, i int) {
	s := w.workers[i].s
	lossy := w.losses < m.b.losses
	switch s.Do {
	case TakeLane:
		m.gated(w, i, true, stageIs(lClaimed), func(t *world) { t.lane = true })
	case Check:
		m.check(w, i, lossy)
	case Create:
		m.create(w, lossy)
	case SaveCreated:
		if m.r.saveAfterClose {
			m.add(*w, kind(Done))
			return
		}
		m.write(w, i, m.unbound(), func(t *world) { t.stage, t.job, t.uploaded = lCreated, s.Job, false })
	case Upload:
		m.upload(w, s.Job, w.workers[i].answer, lossy)
	case SaveUploaded:
		if m.r.saveAfterClose {
			m.add(*w, kind(Done))
			return
		}
		m.write(w, i, func(t *world) bool { return m.sameJob(t, s.Job, lCreated) }, func(t *world) { t.uploaded = true })
	case Bind:
		if m.r.saveAfterClose {
			m.add(*w, kind(Done))
			return
		}
		m.gated(w, i, true, func(t *world) bool {
			return m.sameJob(t, s.Job, lCreated) && (t.uploaded || m.r.noEpoch || m.r.bindBlind)
		},
			func(t *world) { t.stage, t.job, t.lane = lBound, s.Job, true })
	case Adopt:
		m.adopt(w, i)
	case SaveDoubted:
		m.saveDoubted(w, i)
	case Announce:
		t := *w
		t.jobs[s.Job].told = true
		m.add(t, kind(Done))
		if lossy {
			t.losses++
			m.add(t, kind(Unsure))
			t = *w
			t.losses++
			m.add(t, kind(Unsure))
		}
	case Close:
		m.close(w, s.Job, lossy)
	case Look:
		m.look(w, s.Job, lossy)
	case SaveRefused:
		m.write(w, i, func(t *world) bool { return m.sameJob(t, s.Job, lBound) }, func(t *world) { t.refused = true })
	case Abort:
		m.abort(w, s.Job, lossy)
	case SaveSubmitted:
		m.write(w, i, func(t *world) bool { return m.r.saveAfterClose || m.sameJob(t, s.Job, lBound) },
			func(t *world) { t.stage, t.job, t.watch, t.notFound = lSubmitted, s.Job, wNone, 0 })
	}
}

// check asks, and in a second step stores what was said.
func (m *model) check(w *world, i int, lossy bool) {
	if w.workers[i].answer == 0 {
		t := *w
		t.workers[i].answer = 1 + w.truth
		m.pos = append(m.pos, possible{w: t, stay: true})
		if lossy {
			t = *w
			t.losses++
			m.add(t, kind(Unsure))
		}
		return
	}
	m.write(w, i, func(t *world) bool { return t.stage == lClaimed && t.answer == 0 }, func(t *world) { t.answer = t.workers[i].answer })
}

func (m *model) unbound() func(*world) bool {
	if m.r.noEpoch || m.r.bindBlind {
		return func(*world) bool { return true }
	}
	return stageIs(lClaimed, lCreated)
}

func (m *model) sameJob(t *world, job, stage uint8) bool {
	return t.job == job && t.stage == stage || m.r.noEpoch || m.r.bindBlind
}

func (m *model) create(w *world, lossy bool) {
	slot := uint8(0)
	for j := 1; j < len(w.jobs); j++ {
		if w.jobs[j].st == jNone {
			slot = uint8(j)
			break
		}
	}
	t := *w
	if slot == 0 {
		t.harm = hSmall
		m.add(t, kind(Unsure))
		return
	}
	t.jobs[slot] = mJob{st: jOpen}
	m.add(t, Event[uint8]{Kind: Done, Job: slot})
	if lossy { // an orphan, if it was made, is known to nobody: the same world as when it was not
		t := *w
		t.losses++
		m.add(t, kind(Unsure))
	}
}

func (m *model) upload(w *world, j, answer uint8, lossy bool) {
	if w.jobs[j].st != jOpen || w.jobs[j].data != dNothing {
		t := *w
		if t.jobs[j].data != dNothing {
			t.jobs[j].data = dSpoilt
		}
		m.add(t, kind(Refused))
		return
	}
	t := *w
	t.jobs[j].data, t.jobs[j].answer = dWhole, answer
	m.add(t, kind(Done))
	if lossy {
		for _, data := range []uint8{dNothing, dPart, dWhole} {
			t := *w
			t.losses++
			t.jobs[j].data, t.jobs[j].answer = data, answer
			m.add(t, kind(Unsure))
		}
	}
}

// closed is the effect of a close that Salesforce accepts.
func (w *world) closed(j uint8) {
	w.jobs[j].st = jQueued
	w.jobs[j].late = false
	switch {
	case w.jobs[j].data != dWhole:
		w.harm = hDamaged
	case !w.jobs[j].told:
		w.harm = hUntold
	case w.past == bRestored && !w.knows(j): // it is of the forgotten time, and so is what decided its rows
	case !w.straight && w.jobs[j].answer != 1+w.truth:
		w.harm = hStale
	case w.mayLand(j):
		w.harm = hDuplicate
	}
	w.jobs[j].answer = 0
}

func (m *model) close(w *world, j uint8, lossy bool) {
	job := w.jobs[j]
	accepted := job.st == jOpen && !job.bad && job.data != dSpoilt
	if !accepted {
		m.add(*w, kind(Refused))
	} else {
		t := *w
		t.closed(j)
		m.add(t, kind(Done))
		if w.refusals < m.b.refusals {
			t = *w
			t.refusals++
			t.jobs[j].bad = true
			m.add(t, kind(Refused))
		}
	}
	if !lossy {
		return
	}
	t := *w
	t.losses++
	m.add(t, kind(Unsure)) // it never arrived
	if accepted {
		t.jobs[j].late = true
		m.add(t, kind(Unsure)) // it arrives some day
		t = *w
		t.losses++
		t.closed(j)
		m.add(t, kind(Unsure)) // it arrived, the reply did not
	}
}

func (m *model) look(w *world, j uint8, lossy bool) {
	switch w.jobs[j].st {
	case jOpen:
		m.add(*w, kind(SeenOpen))
	case jGone:
		m.add(*w, kind(SeenNothing))
	default:
		m.add(*w, kind(SeenPast))
	}
	if w.jobs[j].st != jGone && w.wrongs < m.b.wrongs {
		t := *w
		t.wrongs++
		m.add(t, kind(SeenNothing))
	}
	if lossy {
		t := *w
		t.losses++
		m.add(t, kind(Unsure))
	}
}

func (m *model) abort(w *world, j uint8, lossy bool) {
	t := *w
	if t.jobs[j].aborted() {
		t.jobs[j].ours = true
		m.add(t, kind(Done))
	} else {
		m.add(*w, kind(Refused))
	}
	if lossy {
		t.losses++
		m.add(t, kind(Unsure))
		t = *w
		t.losses++
		m.add(t, kind(Unsure))
	}
}

// aborted is the effect of an abort; a job that has ended refuses it.
func (j *mJob) aborted() bool {
	switch j.st {
	case jOpen:
		j.st = jAborted
	case jQueued:
		j.st, j.running = jAborted, true
	default:
		return false
	}
	return true
}

// ended says whether the chunk has an outcome that the protocol may give: rows come back for another try only when the org gave cause. Ends
// that our own doing brought about would come again with each try, and two refused closes in a row pause the pipeline.
func (w *world) ended() bool {
	caused := w.wrongs > 0 || w.refusals > 0 || w.others > 0 || w.past == bRestored
	return w.outcome == oLanded || w.outcome != oNone && caused
}

// normalise gives equal worlds equal bytes: jobs that nobody can act on any more are forgotten, the rest numbered by who knows them.
func (w *world) normalise() {
	for i := range w.workers {
		if w.workers[i].s.Do == Stop || w.workers[i].s.Do == Park {
			w.workers[i] = mWorker{}
		}
		if w.workers[i].s.Do > Upload {
			w.workers[i].answer = 0
		}
		if w.workers[i].s.Do > Bind {
			w.workers[i].decided = recNone // no gate is left
		}
	}
	if w.stage >= lBound {
		w.answer = 0
	}
	var to [len(w.jobs)]uint8
	n := uint8(0)
	number := func(j uint8) {
		if j != 0 && to[j] == 0 {
			n++
			to[j] = n
		}
	}
	number(w.job)
	number(w.workers[0].s.Job)
	number(w.workers[1].s.Job)
	number(w.kept.job)
	number(w.forgot)
	number(w.forgotten())
	for j := 1; j < len(w.jobs); j++ {
		job := &w.jobs[j]
		if job.st == jQueued || job.running || job.late && job.st == jOpen {
			number(uint8(j))
		}
	}
	jobs := [len(w.jobs)]mJob{}
	for j := 1; j < len(w.jobs); j++ {
		if to[j] != 0 {
			jobs[to[j]] = w.jobs[j]
		}
	}
	w.jobs = jobs
	w.job, w.workers[0].s.Job, w.workers[1].s.Job = to[w.job], to[w.workers[0].s.Job], to[w.workers[1].s.Job]
	w.kept.job, w.forgot = to[w.kept.job], to[w.forgot]
}
