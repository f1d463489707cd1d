package submit

import (
	"testing"

	"bulkhead/libs/explore"
)

func (m *laneModel) explore(stopAt string) explore.Found[laneWorld] {
	return explore.Model[laneWorld]{
		Start: m.b.starts(),
		Next:  m.next,
		Harm: func(w laneWorld) string {
			if m.r.only != lNone && w.harm != m.r.only {
				return ""
			}
			return laneHarms[w.harm]
		},
		Ended:  func(w laneWorld) bool { return w.ended() },
		StopAt: stopAt,
	}.Run()
}

func TestTheProtocolOfALaneKeepsOrderAndLosesNothing(t *testing.T) {
	tests := []struct {
		name         string
		b, underRace laneBudget
		least        int
	}{
		{
			"two versions of an entity, each kind of trouble",
			laneBudget{versions: 2, tries: 2, fails: 2, invalids: 1, ends: 1, missing: 1, replays: 1, backs: 1},
			laneBudget{versions: 2, tries: 2, fails: 1, invalids: 1, ends: 1},
			500_000,
		},
		{
			"three versions of an entity",
			laneBudget{versions: 3, tries: 2, fails: 2, invalids: 1, ends: 1, replays: 1},
			laneBudget{versions: 3, tries: 2, fails: 1},
			500_000,
		},
		{
			"two versions of an entity, each of another pipeline",
			laneBudget{beside: true, versions: 2, tries: 2, fails: 2, invalids: 1, ends: 1, replays: 1, backs: 1},
			laneBudget{beside: true, versions: 2, tries: 2, fails: 1, invalids: 1},
			50_000,
		},
		{
			"three versions of an entity, each of another pipeline",
			laneBudget{beside: true, versions: 3, tries: 2, fails: 2, invalids: 1, ends: 1},
			laneBudget{beside: true, versions: 3, tries: 2, fails: 1, invalids: 1},
			50_000,
		},
		{
			"closes refused in a row",
			laneBudget{versions: 2, tries: 2, fails: 1, refusals: 4},
			laneBudget{versions: 2, tries: 2, refusals: 3},
			10_000,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if explore.Race() {
				tt.b, tt.least = tt.underRace, 100
			}
			m := &laneModel{b: tt.b}
			f := m.explore("")
			t.Logf("%+v: %v", tt.b, f)
			if f.Unfinished || f.States < tt.least || len(f.Harms) != 0 || f.Stuck != 0 {
				t.Errorf("found %v, want at least %d states, no harm and nothing stuck\n%s", f, tt.least, f.Story())
			}
		})
	}
}

// TestEachSafeguardOfALaneIsNeeded takes one safeguard away and wants the exploration to find what it prevents.
func TestEachSafeguardOfALaneIsNeeded(t *testing.T) {
	two := laneBudget{versions: 2, tries: 2, fails: 1, invalids: 1, ends: 1, replays: 1, backs: 1}
	beside := laneBudget{beside: true, versions: 2, tries: 2, fails: 1, invalids: 1, ends: 1, replays: 1, backs: 1}
	three := laneBudget{versions: 3, tries: 2, fails: 1, invalids: 1}
	tests := []struct {
		without string
		r       laneRules
		b       laneBudget
		finds   laneHarm
	}{
		{"holding the lane before newer versions are asked for", laneRules{checkOutside: true}, two, lStale},
		{"asking for newer versions", laneRules{noCheck: true}, two, lStale},
		{"forgetting the answer with the lane", laneRules{keepAnswer: true}, two, lStale},
		{"holding the lane before other pipelines' versions are asked for", laneRules{checkOutside: true}, beside, lStale},
		{"asking for other pipelines' versions", laneRules{noBeside: true}, beside, lStale},
		{"covering every field of what is left out", laneRules{anyCovers: true}, two, lFieldLost},
		{"distrust of newer versions that are dead", laneRules{deadCovers: true}, three, lLost},
		{"the order of fresh chunks", laneRules{noOrder: true}, two, lStale},
		{"the lane at the bind", laneRules{noLane: true}, two, lStale},
		{"the outcome row as what frees the lane", laneRules{laneByFact: true}, two, lStale},
		{"parting a chunk's rows by their outcome", laneRules{wholeChunk: true}, two, lResent},
		{"waiting for the outcome before rows are sent again", laneRules{beforeOutcome: true}, two, lResent},
		{"two reads of an aborted job", laneRules{readOnce: true}, two, lResent},
		{"the results of aborted jobs", laneRules{abortIsNone: true}, two, lDoubled},
		{"a decision on missing rows of an insert", laneRules{missingInsert: true}, two, lDoubled},
		{"matching rows by what survives Salesforce", laneRules{byPosition: true}, two, lFalseSuccess},
		{"matching rows by what survives Salesforce", laneRules{byPosition: true}, two, lFalseFailure},
		{"the pause after two refused closes", laneRules{noPause: true}, laneBudget{versions: 2, tries: 2, refusals: 3}, lUnbounded},
		{"a bound on tries", laneRules{noBound: true}, laneBudget{versions: 2, tries: 2, fails: 3}, lUnbounded},
	}
	for _, tt := range tests {
		name := laneHarms[tt.finds]
		t.Run("without "+tt.without+" rows are "+name, func(t *testing.T) {
			tt.r.only = tt.finds
			m := &laneModel{b: tt.b, r: tt.r}
			f := m.explore(name)
			t.Log(f)
			if f.Harms[name] == 0 {
				t.Errorf("found %v, want %q: either the safeguard is not needed or the model is blind", f, name)
			}
		})
	}
}
