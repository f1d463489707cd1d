package salesforce

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bulkhead/libs/record"
)

// Rule is one rule of a [ClassTable].
type Rule struct {
	record.ClassRule
	// Own says that the rule is the org's own, not one that comes with the client.
	Own bool
}

// About says in words what the rule is about.
func (r Rule) About() string {
	about := "code " + r.Code
	switch r.Code {
	case "":
		about = "any code"
	case record.NoCode:
		about = "no code"
	}
	switch {
	case r.Contains != "":
		about += fmt.Sprintf(", message contains %q", r.Contains)
	case r.Prefix != "":
		about += fmt.Sprintf(", message begins with %q", r.Prefix)
	}
	return about
}

// ClassTable says what must happen next with a refused row. The code alone is not enough: some codes stand for several causes, which only
// the message tells apart, and a lock that a trigger ran into arrives under the trigger's code. The rules that come with the client are
// the file classes.yaml; an org's own stand before them. A table never changes, and a nil one is that of [BuiltInClasses].
type ClassTable struct {
	version string
	locks   [2]Rule // before all others, see record.LockText: one about messages, one about the code
	own     []Rule
	builtIn []Rule
	unknown Rule // what no rule is about

	// What applies to a code, in order: the org's rules about it or about any code, then the client's. Codes that no rule names have
	// the org's rules about any code.
	byCode map[string][]Rule
	others []Rule
}

// NewClassTable puts an org's own rules before those that come with the client. All that is wrong with them is reported together, each with its
// number from 1.
func NewClassTable(own []record.ClassRule) (*ClassTable, error) {
	if len(own) == 0 {
		return BuiltInClasses(), nil
	}
	var problems []error
	for i, r := range own {
		if text := r.Problem(); text != "" {
			problems = append(problems, fmt.Errorf("class rule %d: %s", i+1, text))
		}
		for j, earlier := range own[:i] {
			if earlier.Hides(r) {
				problems = append(problems, fmt.Errorf("class rule %d never matches: rule %d is about the same rows", i+1, j+1))
				break
			}
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return builtInFile().table(own), nil
}

// BuiltInClasses is the table that comes with the client.
func BuiltInClasses() *ClassTable { return builtIn() }

// table makes a table of the file's rules and an org's own.
func (f classFile) table(own []record.ClassRule) *ClassTable {
	t := &ClassTable{version: strconv.Itoa(f.Version), byCode: map[string][]Rule{}}
	ruled := func(r record.ClassRule, isOwn bool) Rule {
		if r.Remedy == "" {
			r.Remedy = f.Remedies[r.Class]
		}
		return Rule{ClassRule: r, Own: isOwn}
	}
	t.locks[0] = ruled(record.ClassRule{Contains: record.LockText, Class: record.ClassContention}, false)
	t.locks[1] = ruled(record.ClassRule{Code: record.LockText, Class: record.ClassContention}, false)
	t.unknown = ruled(record.ClassRule{Class: record.ClassUnclassified}, false)
	for _, r := range own {
		t.own = append(t.own, ruled(r, true))
	}
	for _, group := range f.Rules {
		for _, r := range group.each() {
			t.builtIn = append(t.builtIn, ruled(r, false))
		}
	}
	for _, r := range slices.Concat(t.own, t.builtIn) {
		if r.Code == "" {
			t.others = append(t.others, r)
			continue
		}
		t.byCode[r.Code] = nil
	}
	for code := range t.byCode {
		for _, r := range slices.Concat(t.own, t.builtIn) {
			if r.Code == code || r.Code == "" {
				t.byCode[code] = append(t.byCode[code], r)
			}
		}
	}
	if len(own) > 0 {
		t.version += "+" + fingerprintOf(own)
	}
	return t
}

// fingerprintOf names a list of rules by what it says, so that two orgs or two moments can be compared.
func fingerprintOf(rules []record.ClassRule) string {
	h := sha256.New()
	for _, r := range rules {
		fmt.Fprintf(h, "%q %q %q %q %d %q\n", r.Code, r.Contains, r.Prefix, r.Class, r.Tries, r.Remedy)
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// Lookup returns the rule that says what the refusal needs. What no rule is about has one of class unclassified that names neither code nor text.
func (t *ClassTable) Lookup(e RowError) Rule {
	if t == nil {
		t = BuiltInClasses()
	}
	switch {
	case strings.Contains(e.Message, record.LockText):
		return t.locks[0]
	case e.Code == record.LockText:
		return t.locks[1]
	}
	code := e.Code
	if code == "" {
		code = record.NoCode
	}
	rules, known := t.byCode[code]
	if !known {
		rules = t.others
	}
	for i := range rules {
		if rules[i].MatchesText(e.Message) {
			return rules[i]
		}
	}
	return t.unknown
}

// Version names what the table says: the version of the rules that come with the client and, after a plus, eight digits of the
// org's own.
func (t *ClassTable) Version() string {
	if t == nil {
		t = BuiltInClasses()
	}
	return t.version
}

// Rules are all rules in the order in which they count: those for locks, the org's own, those that come with the client.
func (t *ClassTable) Rules() []Rule {
	if t == nil {
		t = BuiltInClasses()
	}
	return slices.Concat(t.locks[:], t.own, t.builtIn)
}

// Own is how many rules of the table are the org's own.
func (t *ClassTable) Own() int {
	if t == nil {
		return 0
	}
	return len(t.own)
}

// RemedyOf is what a person can do about errors of a class.
func RemedyOf(class record.Class) string { return builtInFile().Remedies[class] }

// Classes is the table by which refused rows of this org are classed.
func (c *Client) Classes() *ClassTable { return c.cfg.Classes }
