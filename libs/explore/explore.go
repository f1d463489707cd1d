// Package explore visits every state that a small model can reach, and says which of them must never be and from which no good end can be
// reached any more. It is imported by tests only: the models of protocols stand beside the code whose decisions they call.
//
// What always holds:
//   - Every state is visited once, the nearest first, so that the path to a harm ([Found.Path]) is one of the shortest.
//   - A harmful state has no successors: what follows from a harm is no news.
//   - A state is stuck when neither an end nor a harm can be reached from it; harms are counted by themselves.
//   - The same model gives the same answer, however often it runs.
//
// What it leaves to others: bounds. A model that spends crashes, lost replies and the like from budgets is finite; [Model.Limit] ends one that
// is not, and the answer then says so.
//
// Start reading at [Model.Run].
package explore

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Model is what is explored. States are compared with ==, so a model gives equal situations equal states.
type Model[S comparable] struct {
	// Start are the states in which it may begin.
	Start []S
	// Next calls emit for each state that is one step away, with a word or two on the step.
	Next func(s S, emit func(step string, to S))
	// Harm names what is wrong in a state; "" = nothing.
	Harm func(S) string
	// Ended says whether a state is an end as it should be.
	Ended func(S) bool
	// Seen is called for each state; nil = nobody wants to know.
	Seen func(S)
	// StopAt ends the exploration at the first harm of this name, and no state is judged stuck then; "" = it goes on to the end.
	StopAt string
	// Limit bounds the states; 0 = 20 million.
	Limit int
}

// Found is what an exploration says.
type Found[S comparable] struct {
	// States is how many were visited, Steps how many ways led from one to another.
	States, Steps int
	// Harms counts the harmful states by name.
	Harms map[string]int
	// Stuck counts the states without a way to an end.
	Stuck int
	// Path leads to the first harm, or else to the first stuck state: the steps, and the state that they end in.
	Path []string
	At   S
	// Unfinished: the limit, or the harm that was looked for, came before the end: stuck was not judged.
	Unfinished bool
	// Took is real time.
	Took time.Duration
}

// String is one line: counts and time.
func (f Found[S]) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "states=%d steps=%d", f.States, f.Steps)
	if f.Unfinished {
		b.WriteString(" unfinished")
	} else {
		fmt.Fprintf(&b, " stuck=%d", f.Stuck)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Harms)) {
		fmt.Fprintf(&b, " %s=%d", name, f.Harms[name])
	}
	fmt.Fprintf(&b, " in %v", f.Took.Round(time.Millisecond))
	return b.String()
}

// Story is the path and where it ends, one step a line; "" when nothing was wrong.
func (f Found[S]) Story() string {
	if f.Path == nil {
		return ""
	}
	var b strings.Builder
	for i, step := range f.Path {
		fmt.Fprintf(&b, "%3d %s\n", i+1, step)
	}
	fmt.Fprintf(&b, "    %+v", f.At)
	return b.String()
}

const defaultLimit = 20_000_000

// walk is an exploration under way. Its lists are parallel, by the number of a state.
type walk[S comparable] struct {
	index  map[S]int32
	states []S
	parent []int32
	step   []string
}

func (w *walk[S]) visit(s S, parent int32, step string) int32 {
	if i, ok := w.index[s]; ok {
		return i
	}
	i := int32(len(w.states))
	w.index[s] = i
	w.states, w.parent, w.step = append(w.states, s), append(w.parent, parent), append(w.step, step)
	return i
}

func (w *walk[S]) path(i int32) []string {
	out := []string{}
	for ; w.parent[i] >= 0; i = w.parent[i] {
		out = append(out, w.step[i])
	}
	slices.Reverse(out)
	return out
}

// Run explores the model.
func (m Model[S]) Run() Found[S] {
	began := time.Now()
	limit := m.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	w := &walk[S]{index: map[S]int32{}}
	for _, s := range m.Start {
		w.visit(s, -1, "")
	}
	f := Found[S]{Harms: map[string]int{}}
	var from, to []int32
	var good []int32
	for i := int32(0); int(i) < len(w.states); i++ {
		s := w.states[i]
		if m.Seen != nil {
			m.Seen(s)
		}
		if harm := m.Harm(s); harm != "" {
			if f.Path == nil || harm == m.StopAt {
				f.Path, f.At = w.path(i), s
			}
			f.Harms[harm]++
			good = append(good, i)
			if harm == m.StopAt {
				f.Unfinished = true
				break
			}
			continue
		}
		if m.Ended(s) {
			good = append(good, i)
		}
		if len(w.states) > limit {
			f.Unfinished = true // what is not visited yet may hold anything
			break
		}
		m.Next(s, func(step string, t S) {
			from, to = append(from, i), append(to, w.visit(t, i, step))
		})
	}
	f.States, f.Steps = len(w.states), len(to)
	if !f.Unfinished {
		stuck := stuck(len(w.states), from, to, good)
		f.Stuck = len(stuck)
		if f.Path == nil && len(stuck) > 0 {
			f.Path, f.At = w.path(stuck[0]), w.states[stuck[0]]
		}
	}
	f.Took = time.Since(began)
	return f
}

// stuck are the states from which none of the good ones can be reached.
func stuck(n int, from, to, good []int32) []int32 {
	// Predecessors of each state, in one slice: those of i stand from head[i] to head[i+1].
	head := make([]int32, n+1)
	for _, t := range to {
		head[t+1]++
	}
	for i := 1; i < len(head); i++ {
		head[i] += head[i-1]
	}
	before := make([]int32, len(to))
	fill := slices.Clone(head[:n])
	for e, t := range to {
		before[fill[t]] = from[e]
		fill[t]++
	}
	can := make([]bool, n)
	queue := slices.Clone(good)
	for _, g := range good {
		can[g] = true
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
	var out []int32
	for i, c := range can {
		if !c {
			out = append(out, int32(i))
		}
	}
	return out
}
