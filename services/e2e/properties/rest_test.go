package properties

import (
	"fmt"
	"slices"
)

// rest takes what became of the records that moved in a phase, and says what may not be. seen is by key.
func (e *entity) rest(seen map[string]end) []string {
	var wrong []string
	// What is sent by order or comes back shares rows with what else is.
	together := 0
	for _, x := range e.entries {
		if x.ordered || x.moved && e.fate.sentAgain() {
			together++
		}
	}
	for _, x := range e.entries {
		got, ok := seen[x.key]
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s: the ledger does not know it", x.key))
			continue
		}
		want := x.may
		switch {
		case !x.moved:
			want = []end{{x.state, x.class, x.code}}
		case x.behind && together == 1:
			want = []end{{state: superseded}}
		}
		if !slices.ContainsFunc(want, func(w end) bool { return w.matches(got) }) {
			wrong = append(wrong, fmt.Sprintf("%s (%s, %s) is %s, want one of %v", x.key, x.content, e.fate, got, want))
		}
		x.state, x.class, x.code = got.state, got.class, got.code
		e.tell("%s is %s", x.key, got)
	}
	for _, x := range e.entries {
		if x.state == superseded && x.moved && !e.mayCover(x) {
			wrong = append(wrong, fmt.Sprintf("%s (%s) is superseded, and nothing newer says all that it says", x.key, x.content))
		}
	}
	if len(seen) != len(e.entries) {
		wrong = append(wrong, fmt.Sprintf("the ledger has %d records of %s, want %d: %v", len(seen), e.name, len(e.entries), seen))
	}
	wrong = append(wrong, e.restInserts()...)
	e.doubt()
	for _, x := range e.entries {
		x.moved, x.may, x.ordered, x.behind = false, nil, false, false
	}
	return wrong
}

// refused says whether it ended before it could be sent.
func (x *entry) refused() bool {
	return x.state == dead && (x.code == "VERSION_CONFLICT" || x.code == "KEY_REUSED")
}

// mayCover says whether records that are newer, or of the same version and content, and that were not known to be dead when the phase began, say all that x says.
func (e *entity) mayCover(x *entry) bool {
	var newer []*entry
	for _, y := range e.entries {
		alive := (y.moved || y.state == landed || y.state == superseded) && !y.refused()
		twin := e.kind.versioned && y.order.version == x.order.version && y.content == x.content
		if y != x && alive && (y.order.compare(x.order) > 0 || twin) {
			newer = append(newer, y)
		}
	}
	return len(newer) > 0 && covered(x, newer)
}

// restInserts: of the inserts of one value exactly one lands, as soon as the org lets one.
func (e *entity) restInserts() []string {
	if !e.kind.inserts() {
		return nil
	}
	n, sent := 0, false
	for _, x := range e.entries {
		if x.state == landed {
			n++
		}
		sent = sent || x.moved && slices.ContainsFunc(x.may, func(m end) bool { return m.state == landed })
	}
	if n > 1 || n == 0 && sent {
		return []string{fmt.Sprintf("%d inserts of %s landed, want 1", n, e.name)}
	}
	return nil
}

// doubt marks what a record that landed in this phase may have left out for the sake of a newer one that was on its way then and did not land.
func (e *entity) doubt() {
	for _, x := range e.entries {
		if !x.moved || x.state != landed {
			continue
		}
		for _, y := range e.entries {
			if !y.moved || y.state == landed || y.order.compare(x.order) <= 0 {
				continue
			}
			for field := range y.says {
				x.doubtful[field] = true
			}
		}
	}
}

// values are what the org's row may hold of a field; none when there is no row.
func (e *entity) values(field string) []string {
	by := slices.Clone(e.entries)
	slices.SortFunc(by, func(x, y *entry) int { return y.order.compare(x.order) })
	var out []string
	for _, x := range by {
		value, ok := x.says[field]
		if x.state != landed || !ok {
			continue
		}
		out = append(out, value)
		if !x.doubtful[field] {
			return out
		}
	}
	return append(out, "")
}

// hasRow says whether the org must hold the entity.
func (e *entity) hasRow() bool {
	return e.exists || slices.ContainsFunc(e.entries, func(x *entry) bool { return x.state == landed })
}

// runsBack finds a value in a row's history that is older than one before it; "" = none.
func (e *entity) runsBack(field string, history []string) string {
	var last order
	var before string
	begun := false
	for _, value := range history {
		if begun && value == before || !begun && value == "" {
			continue
		}
		orders := slices.Clone(e.written[field][value])
		slices.SortFunc(orders, order.compare)
		at := slices.IndexFunc(orders, func(o order) bool { return !begun || o.compare(last) >= 0 })
		switch {
		case len(orders) == 0:
			return fmt.Sprintf("%s was %q, which nobody published", field, value)
		case at < 0:
			return fmt.Sprintf("%s went from %q back to %q", field, before, value)
		}
		last, before, begun = orders[at], value, true
	}
	return ""
}
