package engine

import (
	"slices"

	"bulkhead/libs/memory/ledger/internal/value"
)

// planLevel orders the steps and says which condition is asked where.
func (c *compiler) planLevel(l *level) {
	l.slots = len(l.sc.items)
	l.order()
	bound := uint64(0)
	placed := make([]bool, len(l.where))
	place := func() []fn {
		var out []fn
		for i, k := range l.where {
			if !placed[i] && k.needs&^bound == 0 {
				placed[i] = true
				out = append(out, k.f)
			}
		}
		return out
	}
	l.pre = place()
	for _, step := range l.steps {
		conds := step.on
		if !step.left {
			conds = append(slices.Clone(conds), l.where...)
		}
		cands := usable(conds, step.src.slot, bound)
		bound |= 1 << step.src.slot
		c.scanner(step, cands)
		step.post = place()
	}
}

// usable are the candidates for a source when other sources are bound.
func usable(conds []conjunct, slot int, bound uint64) []candidate {
	var out []candidate
	for _, k := range conds {
		for _, cand := range k.cands {
			if cand.slot == slot && cand.needs&^bound == 0 {
				out = append(out, cand)
			}
		}
	}
	return out
}

// order moves inner items in front of others that can be found by them. Behind the first LEFT JOIN the written order stays.
func (l *level) order() {
	n := slices.IndexFunc(l.steps, func(s *joinStep) bool { return s.left })
	if n < 0 {
		n = len(l.steps)
	}
	rest := slices.Clone(l.steps[:n])
	var done []*joinStep
	bound := uint64(0)
	for len(rest) > 0 {
		best, bestScore := -1, 0
		for i, s := range rest {
			if s.src.needs&^bound != 0 {
				continue
			}
			score := 2
			switch {
			case len(usable(l.where, s.src.slot, bound)) > 0:
				score = 0
			case s.src.base == nil:
				score = 1
			}
			if best < 0 || score < bestScore {
				best, bestScore = i, score
			}
		}
		if best < 0 {
			panic(value.Error("42P10", "items of FROM refer to each other in a circle"))
		}
		bound |= 1 << rest[best].src.slot
		done = append(done, rest[best])
		rest = slices.Delete(rest, best, best+1)
	}
	l.steps = append(done, l.steps[n:]...)
}

// scanner says how a step finds its rows.
func (c *compiler) scanner(step *joinStep, cands []candidate) {
	src := step.src
	switch {
	case src.base != nil:
		step.scan = baseScan(src, cands)
	case src.rows != nil && !src.keep:
		rows := src.rows
		step.scan = func(f *frame, emit func([]any, *row) bool) bool { return emitAll(rows(f), emit) }
	case src.rows != nil:
		step.scan = keptScan(src.rows, cands)
	default:
		var push []pushed
		if src.set.pushable {
			for _, k := range cands {
				push = append(push, pushed{col: k.col, typ: k.typ, f: k.other, any: k.any, needs: k.needs, fixed: k.fixed})
			}
		}
		set := src.set
		if len(push) > 0 {
			set = src.make(push)
		}
		if set.outer {
			step.scan = func(f *frame, emit func([]any, *row) bool) bool {
				return set.each(f, func(r []any) bool { return emit(r, nil) })
			}
			return
		}
		step.scan = keptScan(set.all, cands)
	}
}

func emitAll(rows [][]any, emit func([]any, *row) bool) bool {
	for _, r := range rows {
		if !emit(r, nil) {
			return false
		}
	}
	return true
}

// keptScan reads rows that are the same in the whole statement, by a map where something is asked for equality.
func keptScan(rows func(*frame) [][]any, cands []candidate) func(*frame, func([]any, *row) bool) bool {
	allKey, mapKey := new(int), new(int)
	all := func(f *frame) [][]any {
		if kept, ok := f.run.cached(allKey); ok {
			return kept.([][]any) //nolint:forcetypeassert // stored below
		}
		out := rows(f)
		f.run.keep(allKey, out)
		return out
	}
	i := slices.IndexFunc(cands, func(k candidate) bool { return !k.any && !k.fixed })
	if i < 0 {
		return func(f *frame, emit func([]any, *row) bool) bool { return emitAll(all(f), emit) }
	}
	cand := cands[i]
	return func(f *frame, emit func([]any, *row) bool) bool {
		v := cand.other(f)
		if v == nil {
			return true
		}
		kept, ok := f.run.cached(mapKey)
		if !ok {
			byKey := map[any][][]any{}
			for _, r := range all(f) {
				if r[cand.col] != nil {
					k := value.Key(r[cand.col])
					byKey[k] = append(byKey[k], r)
				}
			}
			kept = byKey
			f.run.keep(mapKey, byKey)
		}
		return emitAll(kept.(map[any][][]any)[value.Key(v)], emit) //nolint:forcetypeassert // stored above
	}
}

func (x *run) cached(k any) (any, bool) {
	v, ok := x.cache[k]
	return v, ok
}

func (x *run) keep(k, v any) {
	if x.cache == nil {
		x.cache = map[any]any{}
	}
	x.cache[k] = v
}

// baseScan reads a stored table, by the smallest bucket of an index where there is one.
func baseScan(src *source, cands []candidate) func(*frame, func([]any, *row) bool) bool {
	base, part := src.base, src.part
	// What every row is compared with anyway is worth an index only on columns that the schema says are looked up.
	cands = slices.DeleteFunc(slices.Clone(cands), func(k candidate) bool { return k.fixed && !base.indexed[k.col] })
	return func(f *frame, emit func([]any, *row) bool) bool {
		tx := f.run.tx
		t := tx.see(base)
		visit := func(rows []*row) bool {
			for _, r := range rows {
				v := r.seen(tx)
				if v == nil || part != nil && !part.holds(base, v) {
					continue
				}
				if !emit(v, r) {
					return false
				}
			}
			return true
		}
		if len(cands) == 0 {
			return visit(t.rows)
		}
		var best [][]*row
		size := -1
		for _, k := range cands {
			v := k.other(f)
			if v == nil {
				return true // equal to nothing
			}
			x := t.lookup(k.col)
			if !k.any {
				if bucket := x.rows[key{value.Key(v)}]; size < 0 || len(bucket) < size {
					best, size = append(best[:0], bucket), len(bucket)
				}
				continue
			}
			arr, ok := v.(*value.Array)
			if !ok || size >= 0 && size < len(arr.Items) {
				continue
			}
			var buckets [][]*row
			n := 0
			seen := make(map[any]bool, len(arr.Items))
			for _, item := range arr.Items {
				if k := value.Key(item); item != nil && !seen[k] {
					seen[k] = true
					bucket := x.rows[key{k}]
					buckets, n = append(buckets, bucket), n+len(bucket)
				}
			}
			if size < 0 || n < size {
				best, size = buckets, n
			}
		}
		for i, bucket := range best {
			// A row that changes its key stands in two buckets.
			if len(best) > 1 && i > 0 {
				bucket = slices.DeleteFunc(slices.Clone(bucket), func(r *row) bool {
					return r.changed && slices.ContainsFunc(best[:i], func(b []*row) bool { return slices.Contains(b, r) })
				})
			}
			if !visit(bucket) {
				return false
			}
		}
		return true
	}
}

// join binds the steps from k on, and calls emit for every combination.
func (l *level) join(f *frame, k int, emit func(*frame) bool) bool {
	if k == len(l.steps) {
		return emit(f)
	}
	step := l.steps[k]
	slot := step.src.slot
	matched := false
	more := step.scan(f, func(version []any, r *row) bool {
		f.rows[slot], f.refs[slot] = version, r
		for i := range step.on {
			if step.on[i].f(f) != true {
				return true
			}
		}
		matched = true
		for _, test := range step.post {
			if test(f) != true {
				return true
			}
		}
		return l.join(f, k+1, emit)
	})
	if !more {
		return false
	}
	if step.left && !matched {
		f.rows[slot], f.refs[slot] = step.src.none, nil
		for _, test := range step.post {
			if test(f) != true {
				return true
			}
		}
		return l.join(f, k+1, emit)
	}
	return true
}

// each makes the level's combined rows below a frame. The frame that emit gets is used again for the next one.
func (l *level) each(up *frame, emit func(*frame) bool) bool {
	f := l.frame(up)
	for _, test := range l.pre {
		if test(f) != true {
			return true
		}
	}
	return l.join(f, 0, emit)
}

// frame makes a frame for the level's rows; most levels have one or two, whose places come with it.
func (l *level) frame(up *frame) *frame {
	if l.slots > 2 {
		return &frame{rows: make([][]any, l.slots), refs: make([]*row, l.slots), up: up, run: up.run}
	}
	small := &struct {
		frame
		rows [2][]any
		refs [2]*row
	}{}
	small.frame = frame{rows: small.rows[:l.slots], refs: small.refs[:l.slots], up: up, run: up.run}
	return &small.frame
}

// copied is a frame that stays.
func (f *frame) copied() *frame {
	g := *f
	g.rows, g.refs = slices.Clone(f.rows), slices.Clone(f.refs)
	return &g
}
