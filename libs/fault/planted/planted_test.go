package planted

import (
	"regexp"
	"testing"
)

func TestTheListOfBugs(t *testing.T) {
	t.Run("holds twenty-three bugs, each once, with what it breaks in words of the report", func(t *testing.T) {
		shape, invariant := regexp.MustCompile(`^[a-z0-9_]+$`), regexp.MustCompile(`^I([1-9]|[12][0-9]|30)$`)
		words := regexp.MustCompile(`^(lost|doubled|stale|stuck|unbalanced|orphaned|false_success|false_failure|resent|unbounded|backwards|foreign|field_lost)$`)
		seen := map[Bug]bool{}
		for _, d := range All() {
			if seen[d.Bug] || !shape.MatchString(string(d.Bug)) || !invariant.MatchString(d.Invariant) || !words.MatchString(d.Finding) || len(d.Does) < 20 {
				t.Errorf("%+v", d)
			}
			seen[d.Bug] = true
		}
		if len(seen) != 23 {
			t.Errorf("%d bugs", len(seen))
		}
	})
	t.Run("finds a bug by its name and nothing by another", func(t *testing.T) {
		if b, err := find("no_epoch"); b != NoEpoch || err != nil {
			t.Fatal(b, err)
		}
		if b, err := find(""); b != None || err != nil {
			t.Fatal(b, err)
		}
		if _, err := find("none"); err == nil {
			t.Fatal("found a bug that is not there")
		}
	})
}
