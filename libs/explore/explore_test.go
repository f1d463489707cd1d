package explore

import (
	"slices"
	"strings"
	"testing"
)

// stairs is a staircase: one may go up from each step, and from the landing in the middle also leave it for good.
func stairs(top, hole, trap int) Model[int] {
	return Model[int]{
		Start: []int{0},
		Next: func(s int, emit func(string, int)) {
			if s == trap {
				return
			}
			if s < top {
				emit("up", s+1)
			}
			if s+2 <= top {
				emit("jump", s+2)
			}
		},
		Harm: func(s int) string {
			if s == hole {
				return "fell"
			}
			return ""
		},
		Ended: func(s int) bool { return s == top },
	}
}

func TestAnExplorationVisitsEveryStateOnce(t *testing.T) {
	seen := map[int]int{}
	m := stairs(9, -1, -1)
	m.Seen = func(s int) { seen[s]++ }
	f := m.Run()
	if f.States != 10 || f.Steps != 17 || f.Stuck != 0 || len(f.Harms) != 0 || f.Unfinished || f.Story() != "" {
		t.Errorf("found %v, want ten states, seventeen steps and nothing wrong", f)
	}
	for s, n := range seen {
		if n != 1 {
			t.Errorf("state %d was seen %d times", s, n)
		}
	}
}

func TestTheShortestWayToAHarmIsTold(t *testing.T) {
	f := stairs(9, 5, -1).Run()
	if f.Harms["fell"] != 1 || len(f.Path) != 3 || f.At != 5 {
		t.Errorf("found %v by %v at %d, want one fall after three steps", f, f.Path, f.At)
	}
	if f.Stuck != 0 {
		t.Errorf("%d states are stuck: a harm is counted by itself", f.Stuck)
	}
	if !strings.Contains(f.Story(), "jump") || !strings.Contains(f.String(), "fell=1") {
		t.Errorf("told %q and %q", f.Story(), f)
	}
}

func TestStatesWithoutAWayToAnEndAreStuck(t *testing.T) {
	m := stairs(6, -1, 5)
	m.Next = func(s int, emit func(string, int)) {
		switch {
		case s == 5:
		case s == 4:
			emit("up", 5)
		case s < 6:
			emit("up", s+1)
			if s == 3 {
				emit("leap", 6)
			}
		}
	}
	f := m.Run()
	if f.Stuck != 2 || !slices.Equal(f.Path, []string{"up", "up", "up", "up"}) || f.At != 4 {
		t.Errorf("%d states are stuck, first %d by %v, want 4 and 5", f.Stuck, f.At, f.Path)
	}
}

func TestAnExplorationEndsEarlyWhenTold(t *testing.T) {
	t.Run("at the harm that is looked for", func(t *testing.T) {
		m := stairs(9, 2, -1)
		m.StopAt = "fell"
		if f := m.Run(); !f.Unfinished || f.Harms["fell"] != 1 || f.States > 5 {
			t.Errorf("found %v", f)
		}
	})
	t.Run("at the limit", func(t *testing.T) {
		m := stairs(1<<30, -1, -1)
		m.Limit = 100
		if f := m.Run(); !f.Unfinished || f.States > 110 || !strings.Contains(f.String(), "unfinished") || strings.Contains(f.String(), "stuck") {
			t.Errorf("found %v, want an end that says that stuck was not judged", f)
		}
	})
}
