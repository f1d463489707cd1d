package poll

import (
	"testing"
	"time"
)

// A pipeline's speed is learned from its own looks, so an estimate that is a little too long each time would grow from job to job.
func TestTheFirstLookDoesNotCreep(t *testing.T) {
	const rows = 200
	for _, took := range []time.Duration{20 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second, 20 * time.Second} {
		type job struct {
			seen  time.Duration
			looks int
		}
		var last []job
		looks := 0
		for n := range 60 {
			sum, most := 0.0, 0
			for _, j := range last { // as queries/watches.sql has it
				seconds := j.seen.Seconds()
				if j.looks <= 1 {
					seconds *= 0.9
				}
				sum, most = sum+seconds, max(most, j.looks)
			}
			if most <= 1 {
				sum *= 2.0 / 3
			}
			var past Past
			if len(last) > 0 {
				past = Past{Rows: rows, Seconds: sum / float64(len(last))}
			}
			tries, late := run(rows, took, past, func() float64 { return 0.5 })
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

func TestTheFirstLook(t *testing.T) {
	pace := DefaultPace()
	for _, test := range []struct {
		name string
		rows int
		past Past
		want time.Duration
	}{
		{"comes after a guess where nothing is known", 5000, Past{}, 12 * time.Second},
		{"comes when jobs like it have ended", 5000, Past{Rows: 5000, Seconds: 7}, 7 * time.Second},
		{"comes earlier for fewer rows", 2500, Past{Rows: 5000, Seconds: 7}, 3500 * time.Millisecond},
		{"comes no earlier for a few rows less, which do not shorten the queue", 1, Past{Rows: 4, Seconds: 5}, 4970 * time.Millisecond},
		{"comes earlier for very few rows of an org that is slow", 500, Past{Rows: 2500, Seconds: 25}, 5 * time.Second},
		{"comes within a second for one row too where jobs of a few do", 1, Past{Rows: 4, Seconds: 0.6}, 570 * time.Millisecond},
		{"comes within a second where jobs like it do", 20, Past{Rows: 30, Seconds: 0.6}, 500 * time.Millisecond},
		{"comes no earlier than what can be told apart", 20, Past{Rows: 30, Seconds: 0.001}, 250 * time.Millisecond},
		{"does not come within a second for a few rows after many", 20, Past{Rows: 5000, Seconds: 7}, time.Second},
		{"does not take what a small job waited for the time of its rows", 1020, Past{Rows: 20, Seconds: 3}, 5 * time.Second},
		{"comes later for more rows, as long as each of them took", 10_000, Past{Rows: 5000, Seconds: 5}, 10 * time.Second},
		{"comes soon enough to see whether the job moves at all", 1_000_000, Past{Rows: 5000, Seconds: 7}, 30 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := pace.FirstLook(test.rows, test.past); got != test.want {
				t.Errorf("%s", got)
			}
		})
	}
}
