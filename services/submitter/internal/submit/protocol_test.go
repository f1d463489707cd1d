package submit

import (
	"testing"

	"bulkhead/libs/explore"
)

func TestTheProtocolSendsOnceLosesNothingAndNeverSticks(t *testing.T) {
	f := exploreWhole(t, budget{crashes: 2, losses: 2, takeovers: 2, wrongs: 2, refusals: 1, others: 1, moves: 1, handed: 1}, one, 1_000_000)
	for a := TakeLane; a <= SaveSubmitted; a++ { // calls of collections have a model of their own
		if f.doing[a] == 0 && a != Adopt && a != SaveDoubted {
			t.Errorf("no state has a worker at %s: the model does not cover it", a)
		}
	}
	for o := range f.outcomes {
		if f.outcomes[o] == 0 {
			t.Errorf("no state has outcome %d: the model does not cover it", o)
		}
	}
}

// one of everything that may go wrong but a restore, which makes every one of these worlds many.
var one = budget{1, 1, 1, 1, 1, 1, 1, 1, 0}

// exploreWhole explores a chunk within all of its bounds, or under the race detector within smaller ones, and wants no harm, nothing stuck, and so many states.
func exploreWhole(t *testing.T, b, underRace budget, least int) found {
	t.Helper()
	if explore.Race() {
		b, least = underRace, least/10
		t.Log("race build: smaller bounds, the full ones are explored without the race detector")
	}
	f := exploreChunk(b, rules{}, "", 20_000_000)
	t.Logf("%+v: %v", b, f)
	if f.Unfinished || f.States < least {
		t.Errorf("explored %d states, want all and at least %d", f.States, least)
	}
	if len(f.Harms) != 0 || f.Stuck != 0 {
		t.Errorf("found %v, want no harm and nothing stuck\n%s", f, f.Story())
	}
	return f
}

func TestTheProtocolOverARestoredLedgerInsertsOnceLosesNothingAndNeverSticks(t *testing.T) {
	small := budget{losses: 1, refusals: 1, restores: 1}
	f := exploreWhole(t, budget{crashes: 1, losses: 1, wrongs: 1, refusals: 1, others: 1, moves: 1, handed: 1, restores: 1}, small, 100_000)
	for a := TakeLane; a <= SaveSubmitted; a++ {
		if f.doing[a] == 0 {
			t.Errorf("no state has a worker at %s: the model does not cover it", a)
		}
	}
	exploreWhole(t, budget{crashes: 1, losses: 1, takeovers: 1, restores: 1}, small, 100_000)
}

// instead wraps Step: where the worker is at an action and gets one of the events, it does something else.
func instead(do Action, then func(State[uint8], Event[uint8]) State[uint8], kinds ...Kind) func(State[uint8], Event[uint8]) State[uint8] {
	return func(s State[uint8], e Event[uint8]) State[uint8] {
		if s.Do == do {
			for _, k := range kinds {
				if e.Kind == k {
					return then(s, e)
				}
			}
		}
		return Step(s, e)
	}
}

// goTo sends the worker to another action, with all that it remembers.
func goTo(a Action) func(State[uint8], Event[uint8]) State[uint8] {
	return func(s State[uint8], _ Event[uint8]) State[uint8] {
		s.Do = a
		return s
	}
}

// TestEachSafeguardIsNeeded takes one safeguard away and wants the exploration to find what it prevents.
func TestEachSafeguardIsNeeded(t *testing.T) {
	const stuck = "stuck"
	restored := budget{losses: 1, wrongs: 1, others: 1, restores: 1}
	tests := []struct {
		without string
		r       rules
		b       budget
		finds   string
	}{
		{"the epoch in every write", rules{noEpoch: true}, one, "duplicate"},
		{"the job's id stored before the close", rules{saveAfterClose: true}, one, "duplicate"},
		{"keeping the bound job after a lost close", rules{step: instead(Close, goTo(Create), Unsure), bindBlind: true}, one, "duplicate"},
		{"looking at the job after a refused close", rules{step: instead(Close, goTo(Create), Refused), bindBlind: true}, one, "duplicate"},
		{"leaving a job whose upload got no clean answer", rules{step: instead(Upload, goTo(SaveUploaded), Unsure)}, one, "damaged upload"},
		{"one upload per job", rules{step: uploadTwice}, budget{losses: 1}, stuck},
		{"a new job where no upload is stored", rules{step: takeOver(StageCreated, Bind), bindBlind: true}, one, "damaged upload"},
		{"handing a 404 to the poller", rules{step: instead(Look, goTo(Create), SeenNothing), bindBlind: true}, one, "duplicate"},
		{"adopting what a predecessor has bound", rules{step: takeOver(StageBound, Create), bindBlind: true}, one, "duplicate"},
		{"never aborting what a predecessor has bound", rules{step: abortAndStartOver, bindBlind: true}, one, "duplicate"},
		{"binding before the close", rules{step: closeFirst}, one, "duplicate"},
		{"announcing before the close", rules{step: instead(Bind, goTo(Close), Done)}, one, "unannounced close"},
		{"aborting a job whose close is refused for good", rules{step: instead(Look, goTo(Park), SeenOpen)}, budget{refusals: 1}, stuck},
		{"storing the refusal before the abort", rules{step: instead(Look, abortRefused, SeenOpen)}, one, "unexplained abort"},
		{"the epoch in the answer that is stored", rules{noEpoch: true}, one, "stale answer"},
		{"the lane before the org is asked", rules{step: takeOver(StageClaimed, Check)}, one, "stale answer"},
		{"asking at all", rules{step: takeOver(StageClaimed, Create)}, one, "stale answer"},
		{"forgetting the answer with the lane", rules{keepAnswer: true}, one, "stale answer"},
		{"confirming a 404", rules{goneAtOnce: true}, one, "late landing"},
		{"two reads of an aborted job", rules{readOnce: true}, one, "late landing"},
		{"watching for as long as it takes", rules{timerEnds: true}, budget{}, "late landing"},
		{"comparing a restored ledger with what was told bound", rules{noCompare: true}, restored, "duplicate"},
		{"waiting until a forgotten job has ended", rules{noWait: true}, restored, "duplicate"},
		{"aborting a forgotten job that is Open", rules{leavesOpen: true}, restored, "duplicate"},
		{"confirming that a forgotten job is not found", rules{goneAtOnce: true}, restored, "duplicate"},
		{"two looks at a forgotten job that was aborted", rules{lookOnce: true}, restored, "duplicate"},
		{"deciding anew when a recovery is done", rules{noAnew: true}, restored, "duplicate"},
		{"doubting rows that a forgotten job may have carried", rules{noDoubt: true}, restored, "duplicate"},
		{"taking up a job that was handed over Open", rules{noReadopt: true}, budget{losses: 1, wrongs: 1}, stuck},
	}
	for _, tt := range tests {
		t.Run("without "+tt.without, func(t *testing.T) {
			for h, name := range harmNames {
				if name == tt.finds {
					tt.r.only = uint8(h)
				}
			}
			stopAt := tt.finds
			if stopAt == stuck {
				stopAt = ""
			}
			f := exploreChunk(tt.b, tt.r, stopAt, 5_000_000)
			t.Log(f)
			if tt.finds == stuck && f.Stuck > 0 || f.Harms[tt.finds] > 0 {
				return
			}
			t.Errorf("found %v, want %q: either the safeguard is not needed or the model is blind", f, tt.finds)
		})
	}
}

// takeOver is a successor that finds a stage and does something else than it should.
func takeOver(stage Stage, do Action) func(State[uint8], Event[uint8]) State[uint8] {
	return func(s State[uint8], e Event[uint8]) State[uint8] {
		if s.Do == Claim && e.Kind == Claimed && e.Stored.Stage == stage {
			return State[uint8]{Do: do, Job: e.Stored.Job}
		}
		return Step(s, e)
	}
}

// uploadTwice repeats an upload without a clean answer, and takes "there is content already" for success.
func uploadTwice(s State[uint8], e Event[uint8]) State[uint8] {
	switch {
	case s.Do == Upload && e.Kind == Unsure:
		return s
	case s.Do == Upload && e.Kind == Refused:
		s.Do = SaveUploaded
		return s
	}
	return Step(s, e)
}

// abortRefused aborts without writing down why.
func abortRefused(s State[uint8], e Event[uint8]) State[uint8] {
	if s.Refused && !s.AbortTried {
		s.Do = Abort
		return s
	}
	return Step(s, e)
}

// abortAndStartOver is a takeover that aborts the job it finds, and makes a new one once that is done.
func abortAndStartOver(s State[uint8], e Event[uint8]) State[uint8] {
	switch {
	case s.Do == Claim && e.Kind == Claimed && e.Stored.Stage == StageBound:
		return State[uint8]{Do: Abort, Job: e.Stored.Job}
	case s.Do == Abort && e.Kind == Done && !s.Refused:
		return State[uint8]{Do: Create}
	}
	return Step(s, e)
}

// closeFirst closes the job as soon as it holds the upload, and binds it afterwards.
func closeFirst(s State[uint8], e Event[uint8]) State[uint8] {
	switch {
	case s.Do == SaveUploaded && e.Kind == Done:
		s.Do = Announce
		return s
	case s.Do == Close && e.Kind == Done:
		s.Do = Bind
		return s
	case s.Do == Bind && e.Kind == Done:
		s.Do = SaveSubmitted
		return s
	case s.Do == Claim && e.Kind == Claimed && e.Stored.Stage == StageCreated:
		return State[uint8]{Do: Create}
	}
	return Step(s, e)
}
