package load

import (
	"fmt"
	"strings"
)

// reason is why the org refuses a row, whenever it is sent.
type reason struct {
	fate string
	// sets says what the record says for that.
	sets column
	to   string
	// entity is whom it is about, where that is the reason; "" = an entity of its own.
	entity func(a *author) string
}

// reasons are those for which the org refuses rows of a pipeline, in turn.
func (a *author) reasons() []reason {
	first := column{}
	if c := a.plain(); len(c) > 0 {
		first = c[0]
	}
	unknown := func(a *author) string { return fmt.Sprintf("nobody-%d", a.numbers) }
	locked := func(a *author) string {
		name := fmt.Sprintf("locked-%s-%d", a.Name, a.numbers)
		a.load.Seeds[a.Object] = append(a.load.Seeds[a.Object], map[string]string{extField: name, stateField: lockedMark})
		return name
	}
	switch a.Name {
	case parts, dated, orders:
		return []reason{
			{fate: "data/FIELD_CUSTOM_VALIDATION_EXCEPTION", sets: first, to: forbidden},
			{fate: "duplicate/DUPLICATE_VALUE", sets: column{"serial", serialField}, to: takenNo},
			{fate: "data/STRING_TOO_LONG", sets: first, to: strings.Repeat("x", longest+1)},
			{fate: "duplicate/DUPLICATES_DETECTED", sets: column{"twin", twinField}, to: takenTwin},
			{fate: "data/INVALID_EMAIL_ADDRESS", sets: column{"mail", mailField}, to: "nobody at nowhere"},
			{fate: "code/CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", sets: first, to: throws},
		}
	case prices:
		return []reason{{fate: "data/STRING_TOO_LONG", sets: first, to: strings.Repeat("x", longest+1)}}
	case phones:
		return []reason{
			{fate: "reference/ENTITY_NOT_FOUND", sets: first, to: "x", entity: unknown},
			{fate: "permission/ENTITY_IS_LOCKED", sets: first, to: "x", entity: locked},
		}
	case levels:
		return []reason{{fate: "permission/ENTITY_IS_LOCKED", sets: first, to: "x", entity: locked}}
	case removals:
		return []reason{{fate: "reference/ENTITY_NOT_FOUND", entity: unknown}}
	case children:
		return []reason{{fate: "reference/INVALID_FIELD", sets: column{"parent", parentColumn}, to: "nobody"}}
	}
	return nil
}

// refused writes a record that the product takes and the org does not.
func (a *author) refused() {
	reasons := a.reasons()
	if len(reasons) == 0 {
		a.ordinary()
		return
	}
	r := reasons[a.refusals%len(reasons)]
	a.refusals++
	entity := fmt.Sprintf("%s%s-%d", refusedPrefix, a.Name, a.numbers)
	switch {
	case r.entity != nil:
		entity = r.entity(a)
	case r.to == forbidden && a.Name == parts && a.refusals%2 == 1:
		entity = fmt.Sprintf("%s%d", dropPrefix, a.numbers)
	}
	it, members := a.begin(entity)
	it.Fate, it.fixed = r.fate, true
	if a.Name == orders {
		members = append(members, a.says(it, a.columns[0], "refused"))
	}
	if r.sets.member != "" {
		members = append(members, a.says(it, r.sets, r.to))
	}
	a.end(it, members)
}

// dropPrefix begins the entities whose letters an operator discards.
const dropPrefix = "drop-"

// refusedPrefix begins the entities that the org refuses whatever happens.
const refusedPrefix = "refused-"
