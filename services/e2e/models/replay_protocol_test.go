package models

import (
	"testing"

	"bulkhead/libs/explore"
)

func (m *replayModel) explore(stopAt string) explore.Found[replayWorld] {
	return explore.Model[replayWorld]{
		Start: m.starts(),
		Next:  m.next,
		Harm: func(w replayWorld) string {
			if stopAt != "" && w.harm != stopAt {
				return ""
			}
			return w.harm
		},
		Ended:  func(w replayWorld) bool { return w.ended() },
		StopAt: stopAt,
	}.Run()
}

func TestTheProtocolOfAReplaySendsALetterOnceAndLosesNone(t *testing.T) {
	tests := []struct {
		name         string
		b, underRace replayBudget
		least        int
	}{
		{
			"two operators at once, answers lost, requests late",
			replayBudget{operators: 2, repeats: 1, deaths: 3},
			replayBudget{operators: 2, repeats: 1, deaths: 1},
			100_000,
		},
		{
			"three generations, each of which dies",
			replayBudget{operators: 2, losses: 1, deaths: 3},
			replayBudget{operators: 2, deaths: 3},
			100_000,
		},
		{
			"the stream of letters made again, letters published twice",
			replayBudget{operators: 1, losses: 2, doubles: 1, deaths: 2},
			replayBudget{operators: 1, losses: 1, deaths: 1},
			100_000,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if explore.Race() {
				tt.b, tt.least = tt.underRace, 100
			}
			m := &replayModel{b: tt.b}
			f := m.explore("")
			t.Logf("%+v: %v", tt.b, f)
			if f.Unfinished || f.States < tt.least || len(f.Harms) != 0 || f.Stuck != 0 {
				t.Errorf("found %v, want at least %d states, no harm and nothing stuck\n%s", f, tt.least, f.Story())
			}
		})
	}
}

func TestEachSafeguardOfAReplayIsNeeded(t *testing.T) {
	const stuck = "stuck"
	some := replayBudget{operators: 2, repeats: 1, deaths: 2}
	one := replayBudget{operators: 1, deaths: 1}
	lossy := replayBudget{operators: 1, losses: 1, deaths: 2}
	tests := []struct {
		without string
		r       replayRules
		b       replayBudget
		finds   string
	}{
		{"the idempotency key", replayRules{noKey: true}, some, "order carried out twice"},
		{"moving only letters that are open", replayRules{noOpen: true}, some, "backwards"},
		{"a row that says that a letter is taken", replayRules{noTaken: true}, some, "two generations of one letter"},
		{"one service that takes a letter", replayRules{noTaker: true}, some, "two generations of one letter"},
		{"one transaction for taking and sending", replayRules{splitTake: true}, one, stuck},
		{"the commit before the letter", replayRules{early: true}, some, "false_failure"},
		{"one transaction for death and letter", replayRules{splitDead: true}, one, stuck},
		{"publishing open letters into a stream that is made again", replayRules{noRepublish: true}, lossy, stuck},
		{"looking at what is deleted", replayRules{placeOnly: true}, lossy, "letter deleted"},
		{"keeping the message until the replay has ended", replayRules{closeEarly: true}, some, "letter deleted"},
		{"a newer letter in the stream before the old one goes", replayRules{diedAtOnce: true}, some, "letter deleted"},
		{"looking behind a deletion which stream it met", replayRules{noDoubt: true}, lossy, stuck},
	}
	for _, tt := range tests {
		t.Run("without "+tt.without, func(t *testing.T) {
			m := &replayModel{b: tt.b, r: tt.r}
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
