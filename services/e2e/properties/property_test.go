package properties

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// casesByDefault keep the test in the time that a change may wait for.
const casesByDefault = "5"

// seedByDefault makes every run draw the same cases, so that a change is judged by what it changes; BULKHEAD_PROPERTY_SEED draws others.
const seedByDefault = "1"

// TestEverySequenceEndsInTheNewestValues draws scenarios and lives them through.
func TestEverySequenceEndsInTheNewestValues(t *testing.T) {
	configure(t)
	var (
		s     *stack
		dirty bool
		n     int
		seen  = map[string]int{}
	)
	rapid.Check(t, func(rt *rapid.T) {
		sc := drawScenario(rt)
		if dirty {
			// What a case that failed left behind is no matter of the next one.
			s.StopAll()
			s = nil
		}
		if s == nil {
			s = newStack(t)
		}
		n, dirty = n+1, true
		rt.Logf("%s", sc)
		w := newWorld(rt, s, sc, n)
		for p := range sc.Phases {
			w.live(p)
		}
		w.end()
		w.tally(seen)
		dirty = false
	})
	t.Logf("%d cases: %v", n, seen)
}

// configure sets rapid's flags, except those that the command line names.
func configure(t *testing.T) {
	t.Helper()
	cases := casesByDefault
	if text := os.Getenv("BULKHEAD_PROPERTY_CASES"); text != "" {
		cases = text
	}
	set := map[string]string{"rapid.checks": cases, "rapid.seed": seedByDefault, "rapid.nofailfile": "true", "rapid.shrinktime": "90s"}
	if seed := os.Getenv("BULKHEAD_PROPERTY_SEED"); seed != "" {
		set["rapid.seed"] = seed
	}
	flag.Visit(func(f *flag.Flag) { delete(set, f.Name) })
	for name, value := range set {
		if err := flag.Set(name, value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}
