package load

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"bulkhead/services/e2e/chaos/internal/history"
)

// author writes the records of one pipeline, in the order in which they are to be published.
type author struct {
	pipeline

	load *Load
	draw *rand.Rand
	late int // parts that come late, and children that wait for them

	items    []*Item
	again    int              // items that stand there a second time
	numbers  int              // of keys so far
	said     map[string]int   // records by entity
	entities []string         // in the order of their first records
	newest   map[string]*Item // of labels, by entity
	bads     int              // invalid records so far
	refusals int              // records so far that the org refuses
}

// member is a member of a record, its value as JSON.
type member struct{ name, value string }

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings can be written
	}
	return string(text)
}

func object(members []member) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoted(m.name) + ":" + m.value)
	}
	b.WriteByte('}')
	return b.String()
}

// chance is true so many times in a hundred.
func (a *author) chance(percent int) bool { return a.draw.IntN(100) < percent }

// nextKey makes the key of the next record.
func (a *author) nextKey() string {
	a.numbers++
	return fmt.Sprintf("%s-%d", a.Name, a.numbers)
}

// write writes so many records.
func (a *author) write(count int) {
	a.prepare(count)
	for len(a.items)-a.again < count {
		room := count - (len(a.items) - a.again)
		switch n := a.draw.IntN(100); {
		case n < 6:
			a.invalid(room)
		case n < 11:
			a.refused()
		default:
			a.ordinary()
		}
	}
	if a.Versioned {
		a.disorder()
	}
	if a.Name == parts {
		a.insertLate()
	}
}

// prepare seeds the rows that the pipeline's records need, and reserves what is put in later.
func (a *author) prepare(count int) {
	if a.Operation != "update" && a.Operation != "delete" {
		return
	}
	n := count
	if a.Operation == "update" {
		n = max(count/3, 1)
	}
	for i := range n {
		name := fmt.Sprintf("%s-row-%d", a.Name, i)
		a.entities = append(a.entities, name)
		a.load.Seeds[a.Object] = append(a.load.Seeds[a.Object], map[string]string{extField: name, "A__c": "seeded"})
	}
}

// ordinary writes a record that can land.
func (a *author) ordinary() {
	switch a.Name {
	case labels:
		a.label()
	case orders:
		a.order()
	case visits:
		a.visit()
	case removals:
		a.removal()
	case children:
		a.child()
	default:
		a.patch(a.entity())
	}
}

// entity chooses whom a record is about: a new entity, or one that was written of before, mostly lately.
func (a *author) entity() string {
	known := len(a.entities)
	if a.Operation == "update" {
		return a.entities[a.draw.IntN(known)]
	}
	if known == 0 || a.chance(40) {
		// The rows of dated and prices are the same.
		name := fmt.Sprintf("%s-%d", strings.TrimSuffix(a.Object, "__c"), known)
		a.entities = append(a.entities, name)
		return name
	}
	if a.chance(60) {
		return a.entities[known-1-a.draw.IntN(min(known, 12))]
	}
	return a.entities[a.draw.IntN(known)]
}

// begin starts a record of an entity: what names it, and its members so far.
func (a *author) begin(entity string) (*Item, []member) {
	key := a.nextKey()
	if a.Operation == "insert" {
		entity = key
	}
	a.said[entity]++
	it := &Item{Publication: history.Publication{
		Pipeline: a.Name, Key: key, Entity: entity, N: a.said[entity], Says: map[string]*string{},
	}}
	if a.Stamp != "" && a.Operation != "delete" {
		it.Says[a.Stamp] = &key
	}
	id := quoted(entity)
	if a.Field == "Id" {
		id = `"` + idMark + entity + idMark + `"`
	}
	var members []member
	if a.member != "" {
		members = append(members, member{a.member, id})
	}
	if a.key != "" && a.key != a.member {
		members = append(members, member{a.key, quoted(key)})
	}
	if a.Versioned {
		members = append(members, member{"v", fmt.Sprint(it.N)})
	}
	if a.Stamp != "" && a.Stamp != a.Field {
		members = append(members, member{"stamp", quoted(key)})
	}
	if a.Name == phones {
		it.MsgID, it.alone, it.single = key, true, true
	}
	return it, members
}

// end adds a finished record.
func (a *author) end(it *Item, members []member) *Item {
	it.Body = object(members)
	a.items = append(a.items, it)
	return it
}

// says sets a column of a record and returns its member.
func (a *author) says(it *Item, c column, value string) member {
	it.Says[c.field] = &value
	return member{c.member, quoted(value)}
}

// plain are the columns that any record may set: neither the stamp nor those by which the org refuses rows.
func (a *author) plain() []column {
	var out []column
	for _, c := range a.columns {
		if len(c.member) == 1 {
			out = append(out, c)
		}
	}
	return out
}

// patch writes a record that sets some of the columns of its entity and perhaps clears one.
func (a *author) patch(entity string) *Item {
	it, members := a.begin(entity)
	columns := a.plain()
	some := 1 + a.draw.IntN(1<<len(columns)-1)
	for i, c := range columns {
		switch {
		case some&(1<<i) == 0:
		case it.N > 1 && a.chance(12):
			it.Says[c.field] = nil
			members = append(members, member{c.member, "null"})
		default:
			members = append(members, a.says(it, c, fmt.Sprintf("%s.%d.%s", entity, it.N, c.member)))
		}
	}
	return a.end(it, members)
}

// label writes a state of a thing: one that it may have had before.
func (a *author) label() {
	if a.chance(15) {
		it, members := a.begin(fmt.Sprintf("single-%d", a.numbers)) // its key is the message's id, which phones have too
		it.Key = fmt.Sprintf("%s-%d", phones, a.numbers)
		it.MsgID, it.alone, it.single = it.Key, true, true
		a.end(it, append(members, a.says(it, a.columns[0], it.Key)))
		return
	}
	entity := fmt.Sprintf("label-%d", a.draw.IntN(12))
	if it := a.newest[entity]; it != nil && a.chance(12) {
		a.items = append(a.items, it) // what is so already is said again: a repeat
		a.again++
		return
	}
	it, members := a.begin(entity)
	was := ""
	if n := a.newest[entity]; n != nil {
		was = *n.Says[stateField]
	}
	states := slices.DeleteFunc([]string{entity + " is red", entity + " is green", entity + " is blue"}, func(s string) bool { return s == was })
	it.Key = "" // made from what it says
	a.newest[entity] = a.end(it, append(members, a.says(it, a.columns[0], states[a.draw.IntN(len(states))])))
}

func (a *author) order() {
	it, members := a.begin("")
	members = append(members, a.says(it, a.columns[0], "order "+it.Key))
	if a.chance(70) {
		members = append(members, a.says(it, a.columns[1], it.Key+".a"))
	}
	a.end(it, members)
}

// visit writes a row that others may equal.
func (a *author) visit() {
	it := &Item{Publication: history.Publication{Pipeline: a.Name, Key: a.nextKey(), N: 1, Says: map[string]*string{}}}
	n := a.numbers
	if n > 1 && a.chance(25) {
		n -= 1 + a.draw.IntN(min(n-1, 5))
	}
	members := []member{{a.key, quoted(it.Key)}, a.says(it, a.columns[0], fmt.Sprintf("place %d", n)), a.says(it, a.columns[1], "visit")}
	a.end(it, members)
}

func (a *author) removal() {
	entity := fmt.Sprintf("%s-row-%d", a.Name, len(a.items))
	it, members := a.begin(entity)
	a.end(it, members)
}

// child writes a row whose parent was always there, or comes late.
func (a *author) child() {
	it, members := a.begin(fmt.Sprintf("child-%d", a.numbers))
	parent := seededParent(a.draw.IntN(seededParents))
	if n := a.numbers / 3; a.numbers%3 == 0 && n < a.late {
		parent, it.Fate = lateParent(n), "heals/reference"
	}
	members = append(members, a.says(it, a.plain()[0], it.Key+".a"), a.says(it, column{"parent", parentColumn}, parent))
	a.end(it, members)
}

// insertLate puts the parents that children wait for among the records, towards the end.
func (a *author) insertLate() {
	written := len(a.items)
	a.items = a.items[:max(0, written-a.late)] // they are part of the count
	for i := range a.late {
		at := len(a.items)/2 + a.draw.IntN(len(a.items)/2+1)
		a.patch(lateParent(i))
		last := a.items[len(a.items)-1]
		copy(a.items[at+1:], a.items[at:len(a.items)-1])
		a.items[at] = last
	}
}

// disorder lets some versions come before older ones of their entity.
func (a *author) disorder() {
	last := map[string]int{}
	for i, it := range a.items {
		if it.fixed || it.Fate != "" {
			continue
		}
		if j, ok := last[it.Entity]; ok && a.chance(15) {
			a.items[i], a.items[j] = a.items[j], a.items[i]
		}
		last[it.Entity] = i
	}
}
