package soak

import (
	"math"
	"slices"
	"time"
)

const (
	// settledAge is how old processes must be to be looked at: what a start takes is nothing that grows.
	settledAge = 5 * time.Second
	// warmAge is how old they are when they have filled what they fill once: buffers, pools, caches of statements. From then on a life may not grow.
	warmAge = 40 * time.Second
	// lifeLeast is how long behind warmAge a life must be seen for it to say whether it grew.
	lifeLeast = time.Minute
	// enough is how many samples each side of a comparison must have.
	enough = 4
)

// Point is a figure at a moment.
type Point struct {
	At time.Duration // from the start of the run
	// Age is how long the processes that it is about had run, the youngest of them; Life tells those apart that were started again. A figure of no
	// process has one life, and is as old as the run.
	Age   time.Duration
	Life  int
	Value float64
}

// Bound says how much a figure may grow and still be flat: to Ratio of what it was, and Room more.
type Bound struct {
	Ratio float64 `json:"ratio"`
	Room  float64 `json:"room"`
}

// most is what may have become of a figure.
func (b Bound) most(first float64) float64 { return first*b.Ratio + b.Room }

// Growth compares a figure with itself at a later time. Known is false when too little was seen of it.
type Growth struct {
	First float64 `json:"first"`
	Last  float64 `json:"last"`
	Known bool    `json:"known"`
	Held  bool    `json:"held"`
}

// Flat is what a figure did.
type Flat struct {
	// Run compares the first quarter of the time that is looked at with the last: medians, of samples of the same age.
	Run Growth `json:"run"`
	// Life compares, within lives of processes, the first quarter behind warmAge with the last: what leaks shows there however often it is killed.
	Life Growth `json:"life"`
}

// Compare says whether a figure is flat between two moments.
//
// Killed processes begin anew, small: a median over all samples of a quarter would say how many kills there were in it. So samples are compared with those
// of the same age: from 5, 10 and 20 s on, and warm. All that are warm are of the same age, and lives are compared with themselves.
func Compare(points []Point, from, to time.Duration, b Bound) Flat {
	points = slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return p.At < from || p.At >= to || p.Age < settledAge })
	return Flat{Run: overRun(points, from, to, b), Life: overLives(points, b)}
}

// ageOf is the number of the age in which a sample is compared.
func ageOf(age time.Duration) int {
	if age >= warmAge {
		return 3
	}
	return int(math.Log2(float64(age) / float64(settledAge)))
}

// overRun compares the quarters at both ends. Where kills left too few samples of the same age in them thirds are compared, and then halves.
func overRun(points []Point, from, to time.Duration, b Bound) Growth {
	for parts := 4; parts >= 2; parts-- {
		if g := ends(points, from, to, (to-from)/time.Duration(parts)).growth(b); g.Known {
			return g
		}
	}
	return Growth{}
}

// ends pairs the samples of the first and the last part, which are so long.
func ends(points []Point, from, to, part time.Duration) pairs {
	var first, last [4][]float64
	for _, p := range points {
		switch age := ageOf(p.Age); {
		case p.At < from+part:
			first[age] = append(first[age], p.Value)
		case p.At >= to-part:
			last[age] = append(last[age], p.Value)
		}
	}
	var sum pairs
	for age := range first {
		sum.add(first[age], last[age])
	}
	return sum
}

func overLives(points []Point, b Bound) Growth {
	lives := map[int][]Point{}
	for _, p := range points {
		if p.Age >= warmAge {
			lives[p.Life] = append(lives[p.Life], p)
		}
	}
	var sum pairs
	for _, life := range lives {
		slices.SortFunc(life, func(x, y Point) int { return int(x.At - y.At) })
		begin, end := life[0].At, life[len(life)-1].At
		if end-begin < lifeLeast {
			continue
		}
		var first, last []float64
		for _, p := range life {
			switch {
			case p.At <= begin+(end-begin)/4:
				first = append(first, p.Value)
			case p.At >= end-(end-begin)/4:
				last = append(last, p.Value)
			}
		}
		sum.add(first, last)
	}
	return sum.growth(b)
}

// pairs are medians that are compared, each weighed by how many samples it has on the side that has fewer.
type pairs struct {
	first, last, weight float64
}

func (s *pairs) add(first, last []float64) {
	w := float64(min(len(first), len(last)))
	if w == 0 {
		return
	}
	s.first, s.last, s.weight = s.first+w*median(first), s.last+w*median(last), s.weight+w
}

func (s pairs) growth(b Bound) Growth {
	if s.weight < enough {
		return Growth{}
	}
	g := Growth{First: s.first / s.weight, Last: s.last / s.weight, Known: true}
	g.Held = g.Last <= b.most(g.First)
	return g
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}
