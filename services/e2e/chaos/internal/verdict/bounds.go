package verdict

import (
	"maps"
	"slices"
)

// Bounds of what may be asked about one job. They are far above what a run needs even with every fault, and far below what a loop without a
// wait makes of it.
const (
	callsOfAJob    = 100 // about one job, of one sort
	createsPerJob  = 4   // for each job that was closed
	createsAtLeast = 60
)

// bounds: no record was tried, and no job asked after, more often than allowed.
func (c *court) bounds() {
	for _, i := range c.known.order {
		for _, l := range i.letters {
			tries, of := 0, map[string]int{}
			for _, a := range l.Attempts {
				if a.Class != "" && a.Class != "quota" && a.Class != "auth" {
					tries++
					of[a.Class]++
				}
			}
			if most := c.mostTries(i.pipeline) * (l.Generation + 1); tries > most {
				c.find("I17", unbounded, i.about(), "it was tried %d times in %d generations, and the policies allow %d", tries, l.Generation+1, most)
				break
			}
			for _, class := range slices.Sorted(maps.Keys(of)) {
				most, bounded := c.policy(c.run.Final.Attempts, i.pipeline, class)*(l.Generation+1), l.Class == class
				if bounded && most > 0 && of[class] > most {
					c.find("I17", unbounded, i.about(), "it was tried %d times as %s in %d generations, and the policy allows %d", of[class], class, l.Generation+1, most)
				}
			}
		}
	}
	for _, r := range c.known.records {
		refused := 0
		for _, x := range r.rows {
			if x.Outcome == failed && x.Hidden == "" && x.job.badReads == 0 && !c.known.forgotten(x.job.Closed) {
				refused++
			}
		}
		generations := 1
		for _, i := range r.items {
			generations = max(generations, i.generation()+1)
		}
		if most := c.mostTries(r.pipe.Name) * generations; refused > most {
			c.find("I17", unbounded, r.about(), "the org refused it %d times in %d generations, and the policies allow %d", refused, generations, most)
		}
	}
	c.calls()
}

// mostTries is the most that any class of a pipeline allows in one generation.
func (c *court) mostTries(pipeline string) int {
	most := 0
	for class := range retried {
		most = max(most, c.policy(c.run.Final.Attempts, pipeline, class))
	}
	return most
}

func (c *court) calls() {
	type sort struct{ job, endpoint string }
	counts := map[sort]int{}
	creates, closed := 0, 0
	for _, call := range c.run.Calls {
		c.checked("calls", 1)
		if call.Job != "" {
			counts[sort{call.Job, call.Endpoint}]++
		}
		if call.Endpoint == "create" {
			creates++
		}
	}
	for _, j := range c.known.jobs {
		if j.Closed > 0 {
			closed++
		}
	}
	for _, s := range slices.SortedFunc(maps.Keys(counts), func(a, b sort) int {
		return slices.Compare([]string{a.job, a.endpoint}, []string{b.job, b.endpoint})
	}) {
		if n := counts[s]; n > callsOfAJob {
			c.find("I17", unbounded, about{job: s.job}, "%d calls %q were made for one job", n, s.endpoint)
		}
	}
	if most := createsAtLeast + createsPerJob*closed; creates > most {
		c.find("I17", unbounded, about{}, "%d jobs were asked for, and %d were closed", creates, closed)
	}
}
