package account

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/libs/explore"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
)

// The exhaustive model of one chunk's reconciliation, with the product's own [Decide]: jobs that ended in every way, rows that still land after the
// end, rows that show up late in the files or never, downloads that break off, a reconciler that falls between reading and storing.
//
// It is what the model of a submission (package submit) takes for granted of this service: an outcome is written only when no row of the job can land
// any more, no row is called failed or unprocessed that landed, and missing is only what no file will ever tell of.
//
// Two facts on Salesforce are assumptions here: what still runs after an end changes the files at least once in settle.wait, and what is late in
// the files is there when missing.wait is over. Reads of several instances at once need no model of their own: each
// read decides by what is stored, and its write is fenced (package models, leases).

// How the job ended.
const (
	endComplete   uint8 = iota
	endUncounted        // complete, without usable counters
	endMiscounted       // complete, with counters that are wrong for good
	endAborted
	endFailed
	endInvalid // failed: the file was refused as a whole
	endRefused // the close was refused, and we aborted it
	endClosed  // the same, but somebody who stood still had closed it by then, and it gave no counters
	ends
)

// What became of a row in the org.
const (
	isRunning uint8 = iota
	isLanded
	isFailed
	isNever
)

// Where a row stands in the files.
const (
	inNone uint8 = iota
	inSuccess
	inFailed
	inUnprocessed
)

const modelRows = 2

type accountRow struct {
	is   uint8
	file uint8
	mute bool // no file will ever tell of it
}

type accountWorld struct {
	end     uint8
	rows    [modelRows]accountRow
	age     uint8 // in settle.wait since the end
	changed bool  // the files, since time last passed or a read was stored
	// What is stored of earlier reads; times are how long ago, in settle.wait.
	reads, first, last uint8
	files              uint8
	due                uint8
	// A read that is not stored yet: 1 + what the files said.
	read    uint8
	took    uint8 // since it began
	broken  uint8
	outcome [modelRows]byte // as record.Outcome.Byte; 0 = none yet
	harm    uint8
}

const (
	aFine uint8 = iota
	aFalseFailure
	aFalseSuccess
	aLate
	aEarly
)

var accountHarms = [...]string{"", "false_failure", "false_success", "late landing", "missing too early"}

type accountRules struct {
	readOnce    bool // one read is enough whatever the end
	notDue      bool // a read comes as soon as it likes
	noMissing   bool // what two equal reads do not tell of is missing
	abortIsNone bool // an aborted job has processed nothing
	noCounters  bool // the first read of a complete job is believed
	endOfRead   bool // a read counts as of its end, however long it took
}

type accountModel struct {
	broken uint8 // downloads that are cut and count as reads: what must never be
	r      accountRules
	emit   func(string, accountWorld)
	known  map[modelKey]modelRead
}

// The waits of the model: one settle.wait is its unit of time.
var modelWaits = func() record.Waits {
	w := record.DefaultWaits()
	w.Settle, w.Missing = time.Minute, missingUnits*time.Minute
	return w
}()

const (
	missingUnits = 3
	maxUnits     = missingUnits + 1
)

func (w *accountWorld) running() bool {
	for _, r := range w.rows {
		if r.is == isRunning {
			return true
		}
	}
	return false
}

// starts are all ends: what became of each row by then, what the files say of it, and whether they ever will.
func (m *accountModel) starts() []accountWorld {
	var rows []accountRow
	for _, mute := range []bool{false, true} {
		rows = append(rows, accountRow{is: isLanded, mute: mute}, accountRow{is: isFailed, mute: mute}, accountRow{is: isNever, mute: mute})
	}
	rows = append(rows, accountRow{is: isRunning}, accountRow{is: isRunning, file: inUnprocessed}, accountRow{is: isRunning, mute: true},
		accountRow{is: isLanded, file: inSuccess}, accountRow{is: isFailed, file: inFailed}, accountRow{is: isNever, file: inUnprocessed})
	var out []accountWorld
	for end := range ends {
		for _, a := range rows {
			for _, b := range rows {
				w := accountWorld{end: end, rows: [modelRows]accountRow{a, b}}
				if w.possible() {
					out = append(out, w)
				}
			}
		}
	}
	return out
}

// possible leaves out what an end cannot have.
func (w *accountWorld) possible() bool {
	for _, r := range w.rows {
		switch w.end {
		case endComplete, endUncounted, endMiscounted:
			if r.is == isRunning {
				return false
			}
		case endInvalid, endRefused:
			if r.is != isNever {
				return false
			}
		}
	}
	return true
}

func (m *accountModel) next(w accountWorld, emit func(string, accountWorld)) {
	m.emit = emit
	if w.outcome != [modelRows]uint8{} {
		return
	}
	m.org(&w)
	m.time(w)
	m.reconciler(&w)
}

func (m *accountModel) org(w *accountWorld) {
	for i, r := range w.rows {
		move := func(step string, is, file uint8) {
			t := *w
			t.rows[i].is, t.rows[i].file = is, file
			t.changed = t.changed || file != r.file
			m.emit(step, t)
		}
		told := [...]uint8{isLanded: inSuccess, isFailed: inFailed, isNever: inUnprocessed}
		switch {
		case r.is == isRunning:
			for _, is := range []uint8{isLanded, isFailed, isNever} {
				if r.mute {
					move("row settles, untold", is, inNone)
					continue
				}
				move("row settles", is, told[is])
				if r.file == inNone {
					move("row settles, told later", is, inNone)
				}
			}
		case r.file == inNone && !r.mute:
			move("row shows up", r.is, told[r.is])
		}
	}
}

func (m *accountModel) time(t accountWorld) {
	if t.running() && !t.changed {
		return // what runs changes the files in this time
	}
	for _, r := range t.rows {
		if t.age+1 >= missingUnits && (r.file == inNone && !r.mute || r.is == isRunning) {
			return // what is late is there by now
		}
	}
	t.changed = false
	t.age = min(t.age+1, maxUnits)
	if t.due > 0 {
		t.due--
	}
	if t.read > 0 {
		t.took = min(t.took+1, maxUnits)
	}
	if t.reads > 0 {
		t.first, t.last = min(t.first+1, maxUnits), min(t.last+1, maxUnits)
	}
	m.emit("settle.wait passes", t)
}

// said is what the files say now, as a number.
func (w *accountWorld) said() uint8 {
	n := uint8(0)
	for _, r := range w.rows {
		n = n<<2 | r.file
	}
	return n
}

func (m *accountModel) reconciler(w *accountWorld) {
	if w.read == 0 {
		if w.due > 0 && !m.r.notDue {
			return
		}
		t := *w
		t.read = 1 + w.said()
		m.emit("read the files", t)
		if w.broken < m.broken {
			for i, r := range w.rows {
				if r.file != inNone {
					t := *w
					t.broken++
					t.rows[i].file = inNone
					t.read = 1 + t.said()
					t.rows[i].file = r.file
					m.emit("read the files, cut", t)
				}
			}
		}
		return
	}
	t := *w
	t.read, t.took = 0, 0
	m.emit("falls, or the read broke off", t)
	m.decide(w)
}

// job is what is known of the job.
func (w *accountWorld) job() Job {
	j := Job{State: salesforce.StateJobComplete}
	for _, r := range w.rows {
		if r.is == isLanded || r.is == isFailed {
			j.Processed++
		}
		if r.is == isFailed {
			j.Failed++
		}
	}
	switch w.end {
	case endUncounted:
		j.Processed, j.Failed = -1, -1
	case endMiscounted:
		j.Processed += 5
	case endAborted:
		j.State = salesforce.StateAborted
	case endFailed:
		j.State, j.ErrorMessage = salesforce.StateFailed, "InternalServerError : something broke"
	case endInvalid:
		j.State, j.ErrorMessage = salesforce.StateFailed, "InvalidBatch : Field name not found : X"
	case endRefused:
		j.State, j.CloseRefused = salesforce.StateAborted, true
	case endClosed:
		j.State, j.CloseRefused = salesforce.StateAborted, true
		j.Processed, j.Failed = -1, -1
	}
	return j
}

// modelRead is what the product makes of what the files say.
type modelRead struct {
	read   Read
	states [modelRows]byte // should it be decided
}

// modelError is a failure that passes.
const modelError = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"

// reading takes the files in, in another order than the rows were sent in, with the product's own [Reading].
func (m *accountModel) reading(files uint8, job Job) modelRead {
	key := modelKey{files, job}
	if known, ok := m.known[key]; ok {
		return known
	}
	keys := [modelRows]string{"a", "b"}
	r := NewReading(index(m, nil, keys[:]...), salesforce.BuiltInClasses())
	for _, kind := range []uint8{inSuccess, inFailed, inUnprocessed} {
		for i := modelRows - 1; i >= 0; i-- {
			if files>>(2*(modelRows-1-i))&3 != kind {
				continue
			}
			switch kind {
			case inSuccess:
				r.Landed(keys[i], id18(i+1), true)
			case inFailed:
				r.Failed(keys[i], "", modelError)
			case inUnprocessed:
				r.Unprocessed(keys[i])
			}
		}
	}
	out := modelRead{read: r.Summary()}
	copy(out.states[:], r.Finish(job).States)
	if m.known == nil {
		m.known = map[modelKey]modelRead{}
	}
	m.known[key] = out
	return out
}

type modelKey struct {
	files uint8
	job   Job
}

// Fatal ends the test of a model whose chunk cannot be.
func (m *accountModel) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (m *accountModel) decide(w *accountWorld) {
	job, files := w.job(), w.read-1
	if m.r.abortIsNone && w.end == endAborted {
		job.CloseRefused, job.Processed = true, 0 // its counter would tell
	}
	unread := !job.HasFiles() || m.r.abortIsNone && w.end == endAborted
	if unread {
		files = 0
	}
	now := m.reading(files, job)
	past := Past{Reads: int(w.reads)}
	if past.Reads > 0 {
		past.FirstReadAt, past.LastAt = at0.Add(-time.Duration(w.first)*time.Minute), at0.Add(-time.Duration(w.last)*time.Minute)
		past.LastDigest = m.reading(w.files, job).read.Digest
	}
	began := at0.Add(-time.Duration(w.took) * time.Minute)
	if m.r.endOfRead {
		began = at0
	}
	v := Decide(job, now.read, past, modelWaits, began)
	if unread || m.r.readOnce || m.r.noMissing && w.reads > 0 && w.files == w.read-1 || m.r.noCounters && job.State == salesforce.StateJobComplete {
		v.Step = StepSettle
	}
	t := *w
	t.read, t.took = 0, 0
	if v.Step == StepAgain {
		if t.reads == 0 {
			t.first = 0
		}
		t.reads, t.last, t.files, t.changed = min(t.reads+1, maxReads), 0, w.read-1, false
		t.due = uint8((v.At.Sub(began) + time.Minute - 1) / time.Minute)
		m.emit("read again", t)
		return
	}
	t.outcome = now.states
	for i := 0; i < modelRows && t.harm == aFine; i++ {
		t.judge(i)
	}
	m.emit("write the outcome", t)
}

// judge holds a row's outcome against the org.
func (w *accountWorld) judge(i int) {
	row := w.rows[i]
	told, _ := record.OutcomeOf(w.outcome[i])
	switch {
	case row.is == isRunning:
		w.harm = aLate
	case told == record.OutcomeLanded && row.is != isLanded:
		w.harm = aFalseSuccess
	case told != record.OutcomeLanded && told != record.OutcomeMissing && row.is == isLanded:
		w.harm = aFalseFailure
	case told == record.OutcomeMissing && (!row.mute || row.file != inNone):
		w.harm = aEarly
	}
}

func (m *accountModel) explore(stopAt string) explore.Found[accountWorld] {
	return explore.Model[accountWorld]{
		Start: m.starts(),
		Next:  m.next,
		Harm: func(w accountWorld) string {
			if stopAt != "" && accountHarms[w.harm] != stopAt {
				return ""
			}
			return accountHarms[w.harm]
		},
		Ended:  func(w accountWorld) bool { return w.outcome != [modelRows]uint8{} },
		StopAt: stopAt,
	}.Run()
}

func TestTheProtocolOfAnOutcomeWaitsUntilNothingCanLand(t *testing.T) {
	m := &accountModel{}
	f := m.explore("")
	t.Logf("%d ends: %v", len(m.starts()), f)
	if f.Unfinished || f.States < 5000 || len(f.Harms) != 0 || f.Stuck != 0 {
		t.Errorf("found %v, want at least 5000 states, no harm and nothing stuck\n%s", f, f.Story())
	}
}

func TestEachSafeguardOfAnOutcomeIsNeeded(t *testing.T) {
	tests := []struct {
		without string
		r       accountRules
		cut     uint8
		finds   uint8
	}{
		{"two reads of an aborted job", accountRules{readOnce: true}, 0, aLate},
		{"the wait between two reads", accountRules{notDue: true, noMissing: true}, 0, aLate},
		{"three reads before a row is missing", accountRules{noMissing: true}, 0, aEarly},
		{"the results of aborted jobs", accountRules{abortIsNone: true}, 0, aFalseFailure},
		{"dating a read by its beginning", accountRules{endOfRead: true}, 0, aEarly},
		{"downloads that must be whole", accountRules{}, 1, aEarly},
		{"the counters of a complete job", accountRules{noCounters: true}, 0, aEarly},
	}
	for _, tt := range tests {
		t.Run("without "+tt.without, func(t *testing.T) {
			m := &accountModel{broken: tt.cut, r: tt.r}
			name := accountHarms[tt.finds]
			f := m.explore(name)
			t.Log(f)
			if f.Harms[name] == 0 {
				t.Errorf("found %v, want %q: either the safeguard is not needed or the model is blind", f, name)
			}
		})
	}
}
