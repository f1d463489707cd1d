package load

import (
	"fmt"
	"strings"
)

// flaw is a way in which a record is invalid.
type flaw struct {
	code string
	// placed says that it is named by its place in the stream: no key can be read from it.
	placed bool
	body   func(a *author, it *Item, members []member) string
}

func with(m ...member) func(*author, *Item, []member) string {
	return func(_ *author, _ *Item, members []member) string { return object(append(members, m...)) }
}

func instead(body string) func(*author, *Item, []member) string {
	return func(*author, *Item, []member) string { return body }
}

// flaws are those of a pipeline's invalid records, in turn.
func (a *author) flaws() []flaw {
	some := "a"
	if c := a.plain(); len(c) > 0 {
		some = c[0].member
	} else if len(a.columns) > 0 {
		some = a.columns[0].member
	}
	out := []flaw{{code: "UNKNOWN_MEMBER", body: with(member{"colour", `"red"`})}}
	if len(a.columns) > 0 {
		out = append(out,
			flaw{code: "WRONG_TYPE", body: with(member{some, `{"deep":1}`})},
			flaw{code: "UNREPRESENTABLE", body: with(member{some, `"#N/A"`})},
			flaw{code: "UNREPRESENTABLE", body: with(member{some, `""`})},
			flaw{code: "NUL_CHARACTER", body: with(member{some, `"a\u0000b"`})},
			flaw{code: "BAD_UTF8", body: with(member{some, `"\ud800"`})},
		)
	}
	if a.key != "" && a.Field != "" && a.key != a.member {
		out = append(out, flaw{code: "MISSING_EXTERNAL_ID", body: func(_ *author, it *Item, members []member) string {
			it.Entity = ""
			return object(members[1:])
		}})
	}
	if a.Name == parts {
		out = append(out, flaw{code: "TOO_LARGE", body: func(_ *author, it *Item, members []member) string {
			it.alone = true
			return object(append(members, member{some, quoted(strings.Repeat("x", 131_073))}))
		}})
	}
	if !a.Exact {
		return out
	}
	out = append(out,
		flaw{code: "NOT_JSON", placed: true, body: instead(`{"id":`)},
		flaw{code: "NOT_AN_OBJECT", placed: true, body: instead(`["id"]`)},
		flaw{code: "EMPTY_OBJECT", placed: true, body: instead(`{}`)},
		flaw{code: "FRAME_UNREADABLE", placed: true, body: func(_ *author, it *Item, members []member) string {
			it.alone = true // a message whose count is not what it holds
			return object(members) + "\n" + object(members)
		}},
	)
	if a.key != "" {
		out = append(out, flaw{code: "MISSING_KEY", placed: true, body: func(_ *author, it *Item, members []member) string {
			return object(append(members[:1:1], members[2:]...))
		}})
	}
	return out
}

// invalid writes a record that the product refuses; room is how many may be written.
func (a *author) invalid(room int) {
	a.bads++
	switch {
	case a.Versioned && a.bads%5 == 0 && room > 1:
		a.conflict()
		return
	case a.Exact && a.key != "" && a.bads%4 == 0 && a.reuse():
		return
	case a.Name == parts && a.bads%3 == 0 && room > 1:
		a.unmapped()
		return
	}
	flaws := a.flaws()
	f := flaws[(a.bads+int(a.draw.Uint64()%uint64(len(flaws))))%len(flaws)]
	entity := fmt.Sprintf("bad-%s-%d", a.Name, a.numbers)
	if a.Field == "Id" {
		entity = a.entities[a.draw.IntN(len(a.entities))] // only a row has an Id
	}
	it, members := a.begin(entity)
	a.said[it.Entity]-- // nobody will ever be told of it
	it.Fate, it.N, it.Says, it.fixed = "data/"+f.code, 0, nil, true
	it.Body = f.body(a, it, members)
	if f.placed {
		it.Key, it.Entity = "", ""
	}
	if a.Name == labels {
		it.Key = ""
	}
	if a.Operation == "insert" && a.Field == "" {
		it.Entity = ""
	}
	a.items = append(a.items, it)
}

// conflict writes two records that say different things of one version.
func (a *author) conflict() {
	entity := fmt.Sprintf("conflict-%d", a.numbers)
	first := a.patch(entity)
	first.fixed = true
	a.said[entity]-- // the same version once more
	second := a.patch(entity)
	second.Fate, second.fixed, second.N, second.Says = "data/VERSION_CONFLICT", true, 0, nil
}

// reuse writes a record under the key of an earlier one, which is refused as KEY_REUSED; false when there is none yet.
func (a *author) reuse() bool {
	for _, of := range a.items {
		if of.Key == "" || of.Fate != "" || of.fixed || a.chance(70) {
			continue
		}
		of.fixed = true // it must stay in front
		entity := fmt.Sprintf("reuse-%d", a.numbers)
		if a.Operation == "delete" {
			a.load.Seeds[a.Object] = append(a.load.Seeds[a.Object], map[string]string{extField: entity})
		}
		it, members := a.begin(entity) // a person may have it sent all the same: then it is a record like others
		it.Key, it.Fate, it.fixed = "", "heals/data", true
		for i, m := range members {
			if m.name == a.key {
				members[i].value = quoted(of.Key)
			}
		}
		a.end(it, members)
		return true
	}
	return false
}

// unmapped writes a record with a member that only a later definition takes, and a newer one of the same entity.
func (a *author) unmapped() {
	entity := fmt.Sprintf("unmapped-%d", a.numbers)
	it, members := a.begin(entity)
	it.Fate, it.fixed = "heals/data", true
	for _, c := range []column{a.plain()[0], a.plain()[1], addedColumn} {
		members = append(members, a.says(it, c, fmt.Sprintf("%s.%d.%s", entity, it.N, c.member)))
	}
	a.end(it, members)
	a.patch(entity).fixed = true
}
