package salesforce

import (
	_ "embed" // classes.yaml
	"errors"
	"fmt"
	"sync"

	"github.com/goccy/go-yaml"

	"bulkhead/libs/record"
)

//go:embed classes.yaml
var classesYAML []byte

// classFile is classes.yaml.
type classFile struct {
	Version  int                     `yaml:"version"`
	Remedies map[record.Class]string `yaml:"remedies"`
	Rules    []classGroup            `yaml:"rules"`
}

// classGroup is a rule for several codes.
type classGroup struct {
	Codes    []string     `yaml:"codes"`
	Contains string       `yaml:"contains"`
	Prefix   string       `yaml:"prefix"`
	Class    record.Class `yaml:"class"`
	Tries    int          `yaml:"tries"`
	Remedy   string       `yaml:"remedy"`
}

func (g classGroup) each() []record.ClassRule {
	rules := make([]record.ClassRule, len(g.Codes))
	for i, code := range g.Codes {
		rules[i] = record.ClassRule{Code: code, Contains: g.Contains, Prefix: g.Prefix, Class: g.Class, Tries: g.Tries, Remedy: g.Remedy}
	}
	return rules
}

// The file is read once, when it is first needed. That it can be read is a matter of the build: a test reads it.
var (
	builtInFile = sync.OnceValue(func() classFile {
		f, err := parseClassFile(classesYAML)
		if err != nil {
			panic(err)
		}
		return f
	})
	builtIn = sync.OnceValue(func() *ClassTable { return builtInFile().table(nil) })
)

// parseClassFile reads the file strictly: unknown members, rules that can never match, a code whose last rule still asks for a text, and classes
// without a remedy are errors.
func parseClassFile(data []byte) (classFile, error) {
	var f classFile
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict()); err != nil {
		return f, fmt.Errorf("classes.yaml: %w", err)
	}
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("classes.yaml: "+format, args...))
	}
	if f.Version < 1 {
		problem("version %d: it counts from 1", f.Version)
	}
	for _, class := range record.Classes() {
		if f.Remedies[class] == "" {
			problem("class %s has no remedy", class)
		}
	}
	for class := range f.Remedies {
		if !class.Known() {
			problem("%q is no class", class)
		}
	}
	last := map[string]record.ClassRule{}
	var before []record.ClassRule
	for n, group := range f.Rules {
		if len(group.Codes) == 0 {
			problem("rule %d names no code", n+1)
		}
		for _, r := range group.each() {
			if text := r.Problem(); text != "" {
				problem("rule %d, %s: %s", n+1, r.Code, text)
			}
			for _, earlier := range before {
				if earlier.Hides(r) {
					problem("rule %d, %s, never matches: an earlier one is about the same rows", n+1, r.Code)
				}
			}
			before = append(before, r)
			last[r.Code] = r
		}
	}
	for code, r := range last {
		if code != record.NoCode && (r.Contains != "" || r.Prefix != "") {
			problem("%s: its last rule must be about every message", code)
		}
	}
	return f, errors.Join(problems...)
}
