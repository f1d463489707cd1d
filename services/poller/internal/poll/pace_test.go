package poll

import (
	"testing"
	"time"
)

// A pipeline's speed is learned from its own looks, so an estimate that is a little too long each time would grow from job to job.
func TestTheFirstLookDoesNotCreep(t *testing.T) {
	const rows = 200
	for _, took := range []time.Duration{100 * time.Millisecond, 3 * time.Second, 20 * time.Second} {
		type job struct {
			seen  time.Duration
			looks int
		}
		var last []job
		looks := 0
		for n := range 60 {
			var sum float64
			for _, j := range last { // as queries/watches.sql has it
				seconds := j.seen.Seconds()
				if j.looks <= 1 {
					seconds *= 0.9
				}
				sum += seconds
			}
			speed := 0.0
			if len(last) > 0 {
				speed = rows * float64(len(last)) / sum
			}
			tries, late := run(rows, took, speed, func() float64 { return 0.5 })
			if last = append(last, job{took + late, tries}); len(last) > 5 {
				last = last[1:]
			}
			if n < 10 {
				continue // it has learned by then
			}
			looks += tries
			if most := max(took/4, 2*time.Second); late > most {
				t.Fatalf("job %d of %s was seen to have ended %s late", n, took, late)
			}
		}
		if looks > 2*50 {
			t.Errorf("50 jobs of %s took %d looks", took, looks)
		}
	}
}
