package verdict

import (
	"errors"
	"fmt"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// ErrHarness says that a run cannot be judged, because the instrument itself failed. It says nothing about the product.
var ErrHarness = errors.New("the run cannot be judged")

// The words of findings.
const (
	lost         = "lost"          // acknowledged, and nowhere
	doubled      = "doubled"       // a row more than there are records for
	stale        = "stale"         // a value went back to an older record's
	stuck        = "stuck"         // no rest within the bound
	unbalanced   = "unbalanced"    // the counts do not add up, or are not ours
	orphaned     = "orphaned"      // a job of ours is left Open, or was closed and never ended
	falseSuccess = "false_success" // landed, and the org says otherwise
	falseFailure = "false_failure" // dead or unresolved, and the org says otherwise
	resent       = "resent"        // sent again though it had landed or might still land
	unbounded    = "unbounded"     // tried or asked more often than allowed
	backwards    = "backwards"     // a mark or a count went back
	foreign      = "foreign"       // something that nobody published
	fieldLost    = "field_lost"    // the newest value of a field is not there
)

// Words are the names that a finding may have, as reports list them.
func Words() []string {
	return []string{
		lost, doubled, stale, stuck, unbalanced, orphaned, falseSuccess, falseFailure, resent, unbounded, backwards, foreign, fieldLost,
	}
}

// maxOfAWord bounds the findings of one name: a run that loses everything says so often enough.
const maxOfAWord = 50

// Judge reads a run's directory and says what it is worth. The error is ErrHarness, or that a file cannot be read.
func Judge(dir string) (history.Verdict, error) {
	run, err := history.Load(dir)
	if err != nil {
		return history.Verdict{}, fmt.Errorf("%w: %w", ErrHarness, err)
	}
	return Whole(run)
}

// Whole judges a run in memory that was watched all the time; the error is ErrHarness.
func Whole(run *history.All) (history.Verdict, error) {
	if run.Run.Harness == "" {
		if err := watched(run); err != nil {
			return history.Verdict{}, err
		}
	}
	return Of(run)
}

// Of judges a run in memory. Of one that nobody took samples of it does not say what held while it went on, see Checked.
func Of(run *history.All) (history.Verdict, error) {
	if run.Run.Harness != "" {
		return history.Verdict{}, fmt.Errorf("%w: %s", ErrHarness, run.Run.Harness)
	}
	c := &court{run: run, of: map[string]int{}, last: map[string]string{}}
	c.verdict = history.Verdict{Seed: run.Plan.Seed, Checked: map[string]int{}, Faults: map[string]int{}}
	c.known = know(run)
	if err := c.blind(); err != nil {
		return history.Verdict{}, err
	}
	c.rest()
	c.accounts()
	c.landed()
	c.dead()
	c.versions()
	c.jobs()
	c.letters()
	c.orderedOnce()
	c.samples()
	c.bounds()
	c.witnesses()
	c.exits()
	c.faults()
	c.recoveries()
	for _, word := range Words() {
		if over := c.of[word] - maxOfAWord; over > 0 {
			c.verdict.Findings = append(c.verdict.Findings, history.Finding{
				Invariant: c.last[word], Name: word, Text: fmt.Sprintf("and %d more of these", over),
			})
		}
	}
	c.verdict.OK = len(c.verdict.Findings) == 0
	return c.verdict, nil
}

// court is one judgement under way.
type court struct {
	run     *history.All
	known   *known
	verdict history.Verdict
	of      map[string]int    // findings by word, those left out too
	last    map[string]string // the invariant of the last of each word
}

// about is what a finding is about; any member may be empty.
type about struct {
	pipeline, entity, key, job string
}

func (r *record) about() about { return about{pipeline: r.pipe.Name, entity: r.entity, key: r.name()} }

func (i *item) about() about {
	a := about{pipeline: i.pipeline, key: i.key}
	if i.rec != nil {
		a.entity = i.rec.entity
	}
	return a
}

func (a about) in(job string) about {
	a.job = job
	return a
}

func (c *court) find(invariant, word string, a about, format string, args ...any) {
	c.of[word]++
	c.last[word] = invariant
	if c.of[word] > maxOfAWord {
		return
	}
	c.verdict.Findings = append(c.verdict.Findings, history.Finding{
		Invariant: invariant, Name: word, Pipeline: a.pipeline, Entity: a.entity, Key: a.key, Job: a.job, Text: fmt.Sprintf(format, args...),
	})
}

// checked counts what was looked at.
func (c *court) checked(what string, n int) { c.verdict.Checked[what] += n }

// rest: after healing everything must come to rest.
func (c *court) rest() {
	if n := c.run.Run.Unpublished; n > 0 {
		c.find("I16", stuck, about{}, "%d records could not be published: their publishers gave up, long after everything was healed", n)
	}
	if !c.run.Run.Rested {
		c.find("I5", stuck, about{}, "no rest within the bound after healing: %s", or(c.run.Run.Waiting, "it is not known what was waited for"))
		return // what is not at rest is also said to be so below, by the balance
	}
	for _, what := range c.run.Final.Unsettled {
		c.find("I5", stuck, about{}, "at rest, the API says: %s", what)
	}
	for _, what := range c.run.Final.Broken {
		c.find("I1", unbalanced, about{}, "at rest, an export does not come whole: %s", what)
	}
	for _, hole := range c.run.Final.Holes {
		c.find("I22", stuck, about{}, "%s is missing at rest: a stream, or a service's consumer of one", hole)
	}
}

// exits: a process that is asked to end ends by itself in time, and none dies of what it does itself.
func (c *court) exits() {
	for _, e := range c.run.Timeline {
		switch {
		case e.What == "exit" && e.Text == panicked:
			c.find("I25", stuck, about{}, "%s died by itself at %.0f ms (%s): its log says of what", e.Target, e.At, e.Text)
		case e.What == "note" && strings.HasPrefix(e.Text, "after SIGTERM: still running") && strings.Contains(e.Text, "after SIGTERM,"):
			c.find("I25", stuck, about{}, "%s did not end when it was asked to at %.0f ms (%s)", e.Target, e.At, e.Text)
		}
		if e.What == "exit" {
			c.checked("exits", 1)
		}
	}
}

// panicked is how a Go program ends that panics.
const panicked = "exit status 2"

// faults counts what was really injected.
func (c *court) faults() {
	kinds := map[string]string{}
	for _, f := range c.run.Plan.Faults {
		kinds[f.ID] = f.OrgKind
	}
	for _, e := range c.run.Timeline {
		if e.What != "fault" || !e.Done {
			continue
		}
		c.verdict.Faults[string(e.Kind)]++
		if kind := kinds[e.Fault]; e.Kind == history.Org && kind != "" {
			c.verdict.Faults["org:"+kind]++
		}
	}
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}
