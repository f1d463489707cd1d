package soak

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// series are samples every five seconds, of processes that are killed at intervals; 0 = never. of gives the figure from the time of the run and the age.
func series(run, kills time.Duration, of func(at, age time.Duration) float64) []Point {
	var out []Point
	for at := time.Duration(0); at < run; at += 5 * time.Second {
		age, life := at, 0
		if kills > 0 {
			age, life = at%kills, int(at/kills)
		}
		out = append(out, Point{At: at, Age: age, Life: life, Value: of(at, age)})
	}
	return out
}

// filled is a figure that rises for half a minute and stays.
func filled(age time.Duration) float64 { return 100 * min(1, age.Seconds()/30) }

func TestCompare(t *testing.T) {
	const run = 10 * time.Minute
	noise := rand.New(rand.NewPCG(1, 2))
	bound := Bound{Ratio: 1.25, Room: 10}
	for name, c := range map[string]struct {
		kills     time.Duration
		of        func(at, age time.Duration) float64
		run, life bool // it is flat
	}{
		"a figure that never moves is flat": {0, func(_, _ time.Duration) float64 { return 100 }, true, true},
		"a sawtooth of kills is flat":       {150 * time.Second, func(_, age time.Duration) float64 { return 20 + filled(age) }, true, true},
		"a sawtooth whose kills come at other ages in both quarters is flat": {
			205 * time.Second, func(_, age time.Duration) float64 { return 20 + filled(age) }, true, true,
		},
		"noise of a fifth is flat": {150 * time.Second, func(_, age time.Duration) float64 { return 20 + filled(age)*(0.9+noise.Float64()/5) }, true, true},
		"what grows over the run is not flat, whatever is killed": {
			150 * time.Second, func(at, age time.Duration) float64 { return 20 + filled(age) + at.Seconds()/5 }, false, true,
		},
		"what grows in each life is not flat, though each kill takes it back": {
			150 * time.Second, func(_, age time.Duration) float64 { return 20 + age.Seconds() }, true, false,
		},
		"what grows and is never killed is neither": {0, func(at, _ time.Duration) float64 { return 20 + at.Seconds() }, false, false},
		"what grows within the bound is flat":       {0, func(at, _ time.Duration) float64 { return 200 + at.Seconds()/12 }, true, true},
		"a figure that falls is flat":               {0, func(at, _ time.Duration) float64 { return 1000 - at.Seconds() }, true, true},
		"a few that come from nothing are flat":     {0, func(at, _ time.Duration) float64 { return math.Floor(at.Seconds() / 100) }, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := Compare(series(run, c.kills, c.of), 0, run, bound)
			if !got.Run.Known || got.Run.Held != c.run {
				t.Errorf("over the run: %+v, held should be %v", got.Run, c.run)
			}
			if !got.Life.Known || got.Life.Held != c.life {
				t.Errorf("in its lives: %+v, held should be %v", got.Life, c.life)
			}
		})
	}
	t.Run("what is outside of the time that is looked at counts for nothing", func(t *testing.T) {
		got := Compare(series(run, 0, func(at, _ time.Duration) float64 {
			if at < time.Minute || at >= 9*time.Minute {
				return 1e6 * at.Seconds()
			}
			return 100
		}), time.Minute, 9*time.Minute, bound)
		if got.Run != (Growth{First: 100, Last: 100, Known: true, Held: true}) || got.Life != got.Run {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a process that has just been started counts for nothing", func(t *testing.T) {
		points := series(run, 0, func(_, _ time.Duration) float64 { return 100 })
		for i := range points[len(points)/2:] {
			points[len(points)/2+i].Age = 4 * time.Second
		}
		if got := Compare(points, 0, run, bound); got.Run.Known {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a short time says nothing", func(t *testing.T) {
		if got := Compare(series(40*time.Second, 0, func(_, _ time.Duration) float64 { return 1 }), 0, 40*time.Second, bound); got != (Flat{}) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("where a quarter has nothing of the same age more is compared", func(t *testing.T) {
		points := slices.DeleteFunc(series(run, 140*time.Second, func(at, age time.Duration) float64 { return filled(age) + at.Seconds() }), func(p Point) bool {
			return p.At < run/4 && p.Age < warmAge || p.At >= 3*run/4 && p.Age >= warmAge
		})
		if got := Compare(points, 0, run, bound); !got.Run.Known || got.Run.Held {
			t.Errorf("%+v", got)
		}
	})
	t.Run("lives that are shorter than a minute say nothing of themselves", func(t *testing.T) {
		got := Compare(series(run, 60*time.Second, func(_, age time.Duration) float64 { return age.Seconds() }), 0, run, bound)
		if got.Life.Known || !got.Run.Known {
			t.Errorf("%+v", got)
		}
	})
	t.Run("nothing at all says nothing", func(t *testing.T) {
		if got := Compare(nil, 0, run, bound); got != (Flat{}) {
			t.Errorf("%+v", got)
		}
	})
}

// Whatever the kills are: what is the same at the same age is flat over the run, and stays so when samples are left out.
func TestASawtoothIsFlatHoweverItIsKilled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kills := time.Duration(rapid.IntRange(30, 400).Draw(t, "seconds between kills")) * time.Second
		points := series(10*time.Minute, kills, func(_, age time.Duration) float64 {
			return 1000 * min(1, float64(ageOf(max(age, settledAge))+1)/4) // a step for each age
		})
		var kept []Point
		for i, p := range points {
			if rapid.IntRange(0, 9).Draw(t, "left out") > 0 || i == 0 {
				kept = append(kept, p)
			}
		}
		if got := Compare(kept, 0, 10*time.Minute, Bound{Ratio: 1}); got.Run.Known && !got.Run.Held {
			t.Fatalf("killed every %s: %+v", kills, got)
		}
	})
}
