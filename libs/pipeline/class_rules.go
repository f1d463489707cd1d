package pipeline

import (
	"github.com/goccy/go-yaml/ast"

	"bulkhead/libs/record"
)

// maxClassRules bounds the rules of one org: more than all codes that are known.
const maxClassRules = 500

// readClassRules reads what an org says of the classes of its refused rows. Besides what is wrong with a rule by itself, one that can never
// match because an earlier one is about the same rows is refused with both lines.
func readClassRules(f *fields) []record.ClassRule {
	var (
		rules []record.ClassRule
		lines []int
		total int
	)
	words := make([]string, 0, len(record.Classes()))
	for _, class := range record.Classes() {
		words = append(words, string(class))
	}
	at, _ := f.list("classes", func(n ast.Node) {
		if total++; total > maxClassRules {
			return // each is compared with all before it
		}
		entry, ok := f.r.mapping(n, "an entry of classes")
		if !ok {
			return
		}
		problems := len(f.r.problems)
		var rule record.ClassRule
		rule.Code = entry.optional("code")
		rule.Contains = entry.optional("contains")
		rule.Prefix = entry.optional("prefix")
		if _, ok := entry.nodes["class"]; !ok {
			entry.known = append(entry.known, "class")
			f.r.fail(entry.line, "class is missing: what such a row needs")
		} else {
			rule.Class = record.Class(entry.choice("class", "", words))
		}
		rule.Tries = int(entry.integer("tries", 0, record.MinRuleTries, record.MaxRuleTries))
		rule.Remedy = entry.optional("remedy")
		entry.end()
		if len(f.r.problems) == problems {
			if text := rule.Problem(); text != "" {
				f.r.fail(entry.line, "classes: %s", text)
			}
		}
		for i, earlier := range rules {
			if earlier.Hides(rule) {
				f.r.fail(entry.line, "classes: this rule never matches, the one on line %d is about the same rows: put it first, or leave it out", lines[i])
				break
			}
		}
		rules, lines = append(rules, rule), append(lines, entry.line)
	})
	if total > maxClassRules {
		f.r.fail(at, "classes has %d rules, at most %d are allowed", total, maxClassRules)
	}
	return rules
}

// optional reads a text that may be absent but not blank.
func (f *fields) optional(key string) string {
	text, at, ok := f.text(key)
	if ok && text == "" {
		f.r.fail(at, "%s is blank: leave the key out", key)
	}
	return text
}
