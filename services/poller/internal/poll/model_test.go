package poll

import (
	"slices"
	"testing"
	"time"

	"bulkhead/libs/explore"
	"bulkhead/libs/salesforce"
)

// The exhaustive model of one watch, with the product's own [Judge]: a job that goes on, ends, is deleted; answers 404 that are wrong; another org that
// answers; two instances that look at the same time, fall, and come too late with what they saw.
//
// It is what the model of a submission (package submit) takes for granted of this service: a watch ends as finished only with the state that the job
// really ended in, as gone only after three answers 404 in a row over the whole wait, and while the job runs it never ends.

// The job, as it is.
const (
	jobOpen uint8 = iota
	jobRuns
	jobDone
	jobAborted
	jobDeleted
)

// What a look brought.
const (
	sawNothing uint8 = iota // no look yet
	sawFailure
	saw404
	sawOther // an answer about another job
	sawOpen
	sawRuns
	sawDone
	sawAborted
)

type watchWorker struct {
	alive, mine bool
	saw         uint8
	before      watchRow // as the claim found it, where the row may be another one by now
}

// watchStates are numbered in the model: texts would be most of the work of telling states apart.
var watchStates = [...]State{StateWatching, StateFinished, StateGone}

const (
	watching uint8 = iota
	finished
	gone
)

var watchHarms = [...]string{
	"", "ended while it runs", "ended as something else", "gone without three in a row", "gone too early", "gone although it is there",
}

const (
	wFine uint8 = iota
	wRuns
	wElse
	wNotInARow
	wEarly
	wThere
)

// watchRow is the ledger's row, as far as it decides anything.
type watchRow struct {
	state    uint8 // of watchStates
	jobState uint8
	notFound uint8
	first    uint8 // quarters of the wait since the first 404 in a row
}

type watchWorld struct {
	job       uint8
	row       watchRow
	misses    uint8 // 404s in a row, as they were stored, counted without Judge
	since     uint8
	workers   [2]watchWorker
	elsewhere bool // the credentials lead to another org
	spent     watchBudget
	harm      uint8 // of watchHarms
}

type watchBudget struct{ wrongs, deaths, errors, moves, takeovers uint8 }

type watchRules struct {
	noEpoch   bool // a late instance's write counts
	atOnce    bool // the first 404 is believed
	noWait    bool // three 404s are believed, however fast they came
	timerEnds bool // what takes long is given up
	noOrg     bool // a 404 counts whichever org it came from
	anyJob    bool // an answer about another job counts
}

const (
	waitGone     = 2 * time.Minute
	waitQuarters = 4
	quarter      = waitGone / waitQuarters
	maxQuarters  = waitQuarters + 1
)

type watchModel struct {
	b    watchBudget
	r    watchRules
	emit func(string, watchWorld)
}

func (m *watchModel) next(w watchWorld, emit func(string, watchWorld)) {
	m.emit = func(step string, t watchWorld) {
		if a, b := t.workers[0], t.workers[1]; !a.alive && b.alive {
			t.workers[0], t.workers[1] = b, a
		}
		emit(step, t)
	}
	m.org(&w)
	if w.row.notFound > 0 && w.row.first < maxQuarters || w.misses > 0 && w.since < maxQuarters {
		m.time(w)
	}
	for i := range w.workers {
		m.worker(&w, i)
	}
}

func (m *watchModel) org(w *watchWorld) {
	move := func(step string, job uint8) {
		t := *w
		t.job = job
		m.emit(step, t)
	}
	switch w.job {
	case jobOpen:
		move("close goes through", jobRuns)
	case jobRuns:
		move("job completes", jobDone)
		move("job aborted", jobAborted)
	case jobDone, jobAborted:
		if w.spent.deaths < m.b.deaths {
			t := *w
			t.spent.deaths++
			t.job = jobDeleted
			m.emit("job deleted", t)
		}
	}
	if w.spent.moves < m.b.moves || w.elsewhere {
		t := *w
		if t.elsewhere = !w.elsewhere; t.elsewhere {
			t.spent.moves++
		}
		m.emit("credentials change", t)
	}
}

func (m *watchModel) time(t watchWorld) {
	if t.row.notFound > 0 {
		t.row.first = min(t.row.first+1, maxQuarters)
	}
	if t.misses > 0 {
		t.since = min(t.since+1, maxQuarters)
	}
	for i := range t.workers {
		if me := &t.workers[i]; me.before.notFound > 0 {
			me.before.first = min(me.before.first+1, maxQuarters)
		}
	}
	m.emit("a quarter of the wait passes", t)
}

func (m *watchModel) worker(w *watchWorld, i int) {
	me := w.workers[i]
	if !me.alive {
		other := w.workers[1-i].alive && w.workers[1-i].mine
		if w.row.state != watching || other && w.spent.takeovers >= m.b.takeovers {
			return
		}
		t := *w
		if other {
			t.spent.takeovers++
		}
		if other && m.r.noEpoch {
			t.workers[1-i].before = w.row
		}
		t.workers[1-i].mine = false
		t.workers[i] = watchWorker{alive: true, mine: true}
		m.emit("claim", t)
		return
	}
	t := *w
	t.workers[i] = watchWorker{}
	m.emit("falls, or gives back", t)
	if me.saw == sawNothing {
		m.look(w, i)
		return
	}
	m.store(w, i)
}

func (m *watchModel) look(w *watchWorld, i int) {
	see := func(t watchWorld, saw uint8) {
		t.workers[i].saw = saw
		m.emit("look", t)
	}
	if w.spent.errors < m.b.errors {
		t := *w
		t.spent.errors++
		see(t, sawFailure)
		see(t, sawOther)
	}
	if w.elsewhere {
		// The org that answers is asked who it is before its 404 counts.
		if m.r.noOrg {
			see(*w, saw404)
		} else {
			see(*w, sawFailure)
		}
		return
	}
	if w.job != jobDeleted && w.spent.wrongs < m.b.wrongs {
		t := *w
		t.spent.wrongs++
		see(t, saw404)
	}
	see(*w, [...]uint8{jobOpen: sawOpen, jobRuns: sawRuns, jobDone: sawDone, jobAborted: sawAborted, jobDeleted: saw404}[w.job])
}

// modelNow is when every look of the model takes place; what was before is told in quarters of the wait.
var modelNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	modelJob = "7505e00000AAAAAAAA"
	otherJob = "7505e00000BBBBBBBB"
)

// judged calls Judge with what a worker knew and saw.
func (m *watchModel) judged(row watchRow, me watchWorker) Verdict {
	before := Watch{Rows: 10, JobID: modelJob, SubmittedAt: modelNow.Add(-time.Hour), NotFound: int(row.notFound)}
	if before.NotFound > 0 {
		before.FirstNotFoundAt = modelNow.Add(-time.Duration(row.first) * quarter)
	}
	if m.r.atOnce || m.r.noWait {
		before.FirstNotFoundAt = modelNow.Add(-waitGone)
	}
	if m.r.atOnce {
		before.NotFound = goneLooks
	}
	seen := Seen{Info: salesforce.JobInfo{ID: modelJob}}
	switch me.saw {
	case sawFailure:
		seen = Seen{Failure: "timeout"}
	case saw404:
		seen = Seen{NotFound: true}
	case sawOther:
		seen.Info = salesforce.JobInfo{ID: otherJob, State: salesforce.StateJobComplete, HasCounters: true}
		if m.r.anyJob {
			seen.Info.ID = modelJob
		}
	case sawOpen:
		seen.Info.State = salesforce.StateOpen
	case sawRuns:
		seen.Info.State = salesforce.StateInProgress
	case sawDone:
		seen.Info.State, seen.Info.HasCounters = salesforce.StateJobComplete, true
	case sawAborted:
		seen.Info.State = salesforce.StateAborted
	}
	return Judge(before, seen, modelNow, 0.5, DefaultPace(), waitGone)
}

// store writes what follows, if the claim still counts.
func (m *watchModel) store(w *watchWorld, i int) {
	me := w.workers[i]
	t := *w
	t.workers[i] = watchWorker{}
	if w.row.state != watching || !me.mine && !m.r.noEpoch {
		m.emit("write hits no row", t)
		return
	}
	row := w.row
	if !me.mine {
		row = me.before
	}
	v := m.judged(row, me)
	t.row = watchRow{state: uint8(slices.Index(watchStates[:], v.State)), notFound: uint8(min(v.Watch.NotFound, goneLooks)), jobState: jobOpen}
	if v.Watch.NotFound > 0 {
		t.row.first = min(uint8(modelNow.Sub(v.Watch.FirstNotFoundAt)/quarter), maxQuarters)
	}
	switch {
	case me.saw == saw404:
		t.misses = min(t.misses+1, goneLooks)
	case me.saw >= sawOpen:
		t.misses, t.since = 0, 0
	}
	switch {
	case v.State == StateFinished && v.Watch.JobState == salesforce.StateJobComplete:
		t.row.jobState = jobDone
	case v.State == StateFinished:
		t.row.jobState = jobAborted
	case m.r.timerEnds && me.saw == sawRuns:
		t.row.state = gone
	}
	t.judge(*w)
	m.emit("store "+string(watchStates[t.row.state]), t)
}

// judge says whether the watch may have ended.
func (w *watchWorld) judge(before watchWorld) {
	switch w.row.state {
	case finished:
		switch {
		case w.job == jobOpen, w.job == jobRuns:
			w.harm = wRuns
		case w.job != jobDeleted && w.job != w.row.jobState:
			w.harm = wElse
		}
	case gone:
		switch {
		case w.misses < goneLooks:
			w.harm = wNotInARow
		case before.since < waitQuarters:
			w.harm = wEarly
		case w.spent.wrongs == 0 && w.job != jobDeleted:
			w.harm = wThere
		}
	}
	if w.row.state != watching {
		w.workers, w.misses, w.since, w.row.first, w.row.notFound = [2]watchWorker{}, 0, 0, 0, 0
	}
}

func (m *watchModel) explore(stopAt string) explore.Found[watchWorld] {
	return explore.Model[watchWorld]{
		Start: []watchWorld{{}, {job: jobRuns}},
		Next: func(w watchWorld, emit func(string, watchWorld)) {
			if w.row.state == watching {
				m.next(w, emit)
			}
		},
		Harm: func(w watchWorld) string {
			if stopAt != "" && watchHarms[w.harm] != stopAt {
				return ""
			}
			return watchHarms[w.harm]
		},
		Ended:  func(w watchWorld) bool { return w.row.state != watching },
		StopAt: stopAt,
	}.Run()
}

func TestTheProtocolOfAWatchEndsAsTheJobDid(t *testing.T) {
	b, least := watchBudget{wrongs: 4, deaths: 1, errors: 1, moves: 1, takeovers: 2}, 5000
	if explore.Race() {
		b, least = watchBudget{wrongs: 2, deaths: 1, takeovers: 1}, 1000
	}
	f := (&watchModel{b: b}).explore("")
	t.Logf("%+v: %v", b, f)
	if f.Unfinished || f.States < least || len(f.Harms) != 0 || f.Stuck != 0 {
		t.Errorf("found %v, want at least %d states, no harm and nothing stuck\n%s", f, least, f.Story())
	}
}

func TestEachSafeguardOfAWatchIsNeeded(t *testing.T) {
	tests := []struct {
		without string
		r       watchRules
		finds   uint8
	}{
		{"the epoch in every write", watchRules{noEpoch: true}, wNotInARow},
		{"three answers 404 in a row", watchRules{atOnce: true}, wNotInARow},
		{"the wait from the first 404 to the last", watchRules{noWait: true}, wEarly},
		{"watching for as long as it takes", watchRules{timerEnds: true}, wNotInARow},
		{"asking the org who it is", watchRules{noOrg: true}, wThere},
		{"looking at the id in the answer", watchRules{anyJob: true}, wRuns},
	}
	for _, tt := range tests {
		t.Run("without "+tt.without, func(t *testing.T) {
			m := &watchModel{b: watchBudget{wrongs: 3, takeovers: 1}, r: tt.r}
			if tt.r.noOrg || tt.r.anyJob {
				m.b = watchBudget{errors: 1, moves: 1}
			}
			name := watchHarms[tt.finds]
			f := m.explore(name)
			t.Log(f)
			if f.Harms[name] == 0 {
				t.Errorf("found %v, want %q: either the safeguard is not needed or the model is blind", f, name)
			}
		})
	}
}
