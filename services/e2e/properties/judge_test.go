package properties

import (
	"cmp"
	"slices"
)

// standing says whether a record counts as a version that the org has or will have: yes, or perhaps.
func (e *entity) standing(y *entry) (yes, perhaps bool) {
	switch {
	case y.moved && len(y.may) == 1 && y.may[0].state == dead && y.may[0].class == "data" && y.may[0].code != "":
		return false, false // refused
	case y.moved:
		// What will fail, or be superseded, still stands for a while.
		only := len(y.may) == 1 && y.may[0].state == landed
		return only, true
	case y.state == landed:
		return true, true
	case y.state == superseded:
		return false, true
	}
	return false, false
}

// late decides a record that names its version.
func (e *entity) late(x *entry, before []*entry) []end {
	var same, other, newer, perhapsSame, perhapsOther []*entry
	for _, y := range before {
		yes, perhaps := e.standing(y)
		switch c := cmp.Compare(y.order.version, x.order.version); {
		case !perhaps, c < 0:
		case c > 0:
			if yes {
				newer = append(newer, y)
			}
		case y.content == x.content && yes:
			same = append(same, y)
		case y.content == x.content:
			perhapsSame = append(perhapsSame, y)
		case yes:
			other = append(other, y)
		default:
			perhapsOther = append(perhapsOther, y)
		}
	}
	conflict := end{dead, "data", "VERSION_CONFLICT"}
	if len(same) > 0 {
		return []end{{state: superseded}}
	}
	var may []end
	if len(perhapsSame) > 0 {
		may = append(may, end{state: superseded})
	}
	if len(other) > 0 {
		return append(may, conflict)
	}
	if len(perhapsOther) > 0 {
		may = append(may, conflict)
	}
	if len(newer) > 0 && covered(x, newer) {
		return append(may, end{state: superseded})
	}
	return append(may, e.sent(x, true)...)
}

// sent are the ends of a record that goes to the org. late says that the extractor may have found newer ones.
func (e *entity) sent(x *entry, late bool) []end {
	var may []end
	class, code := e.fate.class(), ""
	if e.kind.updates() && !e.exists {
		class, code = "reference", "ENTITY_NOT_FOUND"
	}
	if class == "" {
		may = append(may, end{state: landed})
	} else {
		may = append(may, end{dead, class, code})
	}
	if e.kind.inserts() {
		return append(may, end{dead, "duplicate", ""})
	}
	if late || e.fate.sentAgain() || code != "" {
		may = append(may, end{state: superseded})
	}
	return may
}

// replay decides what becomes of a letter that is sent again.
func (e *entity) replay(x *entry) {
	var newer []*entry
	for _, y := range e.entries {
		if yes, _ := e.standing(y); yes && !y.moved && y.order.compare(x.order) > 0 {
			newer = append(newer, y)
		}
	}
	x.moved, x.state, x.class, x.code = true, "", "", ""
	x.ordered, x.behind = true, len(newer) > 0 && covered(x, newer) && !e.kind.inserts()
	x.may = e.sent(x, true)
	e.tell("%s is replayed: may be %v; behind what the org holds: %v", x.key, x.may, x.behind)
}

// covered says whether newer records name all that x says.
func covered(x *entry, newer []*entry) bool {
	for field := range x.says {
		if !slices.ContainsFunc(newer, func(y *entry) bool { _, ok := y.says[field]; return ok }) {
			return false
		}
	}
	return true
}
