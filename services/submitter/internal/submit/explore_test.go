package submit

import "fmt"

// found is what an exploration says.
type found struct {
	states, stuck int
	harms         [len(harmNames)]int
	doing         [Stop + 1]int // how many states have a worker at each action: an action never seen is a hole in the model
	outcomes      [oMissing + 1]int
	exhausted     bool // the bound on states was reached before the end: stuck was not judged
}

func (f found) String() string {
	s := fmt.Sprintf("states=%d stuck=%d", f.states, f.stuck)
	for h, n := range f.harms {
		if n > 0 && h != int(hNone) {
			s += fmt.Sprintf(" %s=%d", harmNames[h], n)
		}
	}
	return s
}

func (f found) harm() int {
	n := 0
	for h := range f.harms {
		if h != int(hNone) {
			n += f.harms[h]
		}
	}
	return n
}

// explore visits every world reachable from the start. With stopAtHarm it ends at the first harm; otherwise it also counts the worlds from
// which no end can be reached.
func explore(b budget, r rules, stopAtHarm bool, limit int) found {
	if r.step == nil {
		r.step = Step[uint8]
	}
	m := &model{b: b, r: r}
	index := map[world]int32{}
	var list []world
	visit := func(w world) int32 {
		if i, ok := index[w]; ok {
			return i
		}
		i := int32(len(list))
		index[w] = i
		list = append(list, w)
		return i
	}
	for _, straight := range []bool{true, false} {
		w := world{straight: straight}
		w.normalise()
		visit(w)
	}
	var f found
	var from, to []int32
	for i := 0; i < len(list); i++ {
		w := list[i]
		f.harms[w.harm]++
		f.outcomes[w.outcome]++
		for _, worker := range w.workers {
			if worker.alive {
				f.doing[worker.s.Do]++
			}
		}
		if w.harm != hNone && stopAtHarm {
			f.states = len(list)
			return f
		}
		if len(list) > limit {
			f.states, f.exhausted = len(list), true
			return f
		}
		for _, t := range m.next(&w) {
			from, to = append(from, int32(i)), append(to, visit(t))
		}
	}
	f.states = len(list)
	f.stuck = countStuck(list, from, to)
	return f
}

// countStuck counts the worlds from which neither an end nor a harm (counted already) can be reached.
func countStuck(list []world, from, to []int32) int {
	// Predecessors of each world, in one slice: head[i] to head[i+1].
	head := make([]int32, len(list)+1)
	for _, t := range to {
		head[t+1]++
	}
	for i := 1; i < len(head); i++ {
		head[i] += head[i-1]
	}
	before := make([]int32, len(to))
	fill := append([]int32(nil), head[:len(list)]...)
	for e, t := range to {
		before[fill[t]] = from[e]
		fill[t]++
	}
	can := make([]bool, len(list))
	var queue []int32
	for i := range list {
		if list[i].ended() || list[i].harm != hNone {
			can[i] = true
			queue = append(queue, int32(i))
		}
	}
	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, p := range before[head[i]:head[i+1]] {
			if !can[p] {
				can[p] = true
				queue = append(queue, p)
			}
		}
	}
	stuck := 0
	for _, c := range can {
		if !c {
			stuck++
		}
	}
	return stuck
}
