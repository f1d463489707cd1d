package verdict

import (
	"fmt"
	"slices"

	"bulkhead/services/e2e/chaos/internal/history"
)

// looks is the least number of samples of each sort that say anything about "at every moment": one while it runs and one at rest.
const looks = 2

// blind says why a run cannot be judged: a part of the instrument did not look, so that finding nothing would say nothing. What the product
// did is never a reason. Such a run does not pass: it is made once more, and when it cannot be judged again the whole set fails.
func (c *court) blind() error {
	if len(c.known.records) == 0 {
		return fmt.Errorf("%w: nothing was published", ErrHarness)
	}
	named := map[string]bool{}
	for _, p := range c.run.Pipelines {
		named[p.Name] = true
	}
	for _, r := range c.known.records {
		if !named[r.pipe.Name] {
			return fmt.Errorf("%w: records were published to %s, of which %s does not say what they mean", ErrHarness, r.pipe.Name, history.PipelinesFile)
		}
	}
	if len(c.run.Final.Attempts) == 0 {
		return fmt.Errorf("%w: %s does not say how many tries the policies allow", ErrHarness, history.FinalFile)
	}
	// A broker that is told to forget has the stream of letters begin anew under its reader.
	if c.run.Plan.Unsafe == "" {
		if err := c.unread(); err != nil {
			return err
		}
	}
	return c.unexplained()
}

// unread says that letters lie in the stream which its reader never saw: then it was not there to see what left either.
func (c *court) unread() error {
	seen := map[string]bool{}
	for _, l := range c.run.Letters {
		seen[l.ID] = true
	}
	missed := map[string]bool{} // a letter may lie there twice
	for _, id := range c.run.Final.Left {
		if !seen[id] {
			missed[id] = true
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("%w: the reader of letters saw %d, and not %d that lie in the stream at rest", ErrHarness, len(seen), len(missed))
	}
	return nil
}

// unexplained says that the dump of the org is not whole: rows were written by jobs that it does not have, or none of its jobs is the product's
// though records landed.
func (c *court) unexplained() error {
	ours := slices.ContainsFunc(c.run.Jobs, func(j history.OrgJob) bool { return !j.Foreign && j.Closed > 0 })
	if len(c.run.Landed) > 0 && !ours {
		return fmt.Errorf("%w: %d records landed, and none of the org's %d jobs is the product's", ErrHarness, len(c.run.Landed), len(c.run.Jobs))
	}
	for _, o := range c.run.Records {
		for _, v := range o.Versions {
			if v.Job != "" && c.known.rowOf(v) == nil {
				return fmt.Errorf("%w: row %s of the org was written by row %d of job %s, and the dump of the org has none such", ErrHarness, o.ID, v.N, v.Job)
			}
		}
	}
	return nil
}

// watched says that nobody looked at the run while it went on: then nothing is known of its balances and marks but the last ones.
func watched(run *history.All) error {
	balances, marks := 0, 0
	for _, s := range run.Samples {
		if s.Balance != nil {
			balances++
		}
		if s.Marks == nil {
			continue
		}
		marks++
		for pipeline, lanes := range s.Marks {
			for lane, text := range lanes {
				if _, ok := parseMark(text); !ok && lane != incarnations {
					return fmt.Errorf("%w: the mark %q of lane %s of %s at %.0f ms cannot be read", ErrHarness, text, lane, pipeline, s.At)
				}
			}
		}
	}
	if balances < looks || marks < looks {
		return fmt.Errorf("%w: of %d samples %d have balances and %d have marks", ErrHarness, len(run.Samples), balances, marks)
	}
	return nil
}
