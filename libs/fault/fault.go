// Package fault holds named places at which a test may make the product fail: die, wait, or return an error.
//
// A place is one call, `if err := fault.Point(ctx, fault.Name); err != nil { return err }`, put before and after every
// commit, publish, acknowledgement and call to the outside. In a normal build Point is an empty function that the
// compiler removes; nothing can be switched on. Built with the tag `fault`, a place obeys rules, given by the
// environment variable BULKHEAD_FAULT or by Set:
//
//	name=crash            the process kills itself with SIGKILL: no deferred function runs, nothing is flushed
//	name=error            Point returns an error that wraps ErrInjected
//	name=delay:300ms      Point waits (or until ctx is done, and then returns ctx's error)
//	name=crash@2          only the second time that the place is reached; without @ every time
//	a=error@1;b=crash     several rules, parted by semicolons
//
// Names read "<service>.<step>.<before|after|at>_<what>", for example "submitter.close.before_call", and are constants
// beside the code that they stand in. Hits counts how often each place was reached, so that a test can first learn all
// places of a run and then crash at each of them.
//
// A process tells whoever outlives it: with BULKHEAD_FAULT_LOG=FILE it appends a line to FILE, in one write each,
//
//	reached <name>   when a place is reached for the first time in this process
//	killed <name>    right before a rule of kind crash kills it
//	held <name>      right before a rule of kind delay waits
//
// With puts a Handler into a context: every place that is passed under it asks the handler first. So many simulated
// processes in one real one can each have their own faults, while rules and hits are the whole process's.
//
// What is left to others: deciding which places exist, and what must hold after a fault.
package fault

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrInjected is wrapped by every error that a rule of kind "error" makes Point return.
var ErrInjected = errors.New("injected fault")

// Handler is asked at each place that is passed under its context, before any rule. An error is what [Point] returns; nil lets
// the rules speak. It is called by whatever goroutine passes the place, by several at once.
type Handler func(ctx context.Context, name string) error

// kind is what a rule does.
type kind string

const (
	kindCrash kind = "crash"
	kindError kind = "error"
	kindDelay kind = "delay"
)

// rule is one entry of BULKHEAD_FAULT.
type rule struct {
	name  string
	kind  kind
	delay time.Duration // of kindDelay
	hit   int           // 1 = only the first time the place is reached; 0 = every time
}

var nameShape = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$`)

// parse reads the rules as the package comment describes them. Empty text is no rule.
func parse(text string) ([]rule, error) {
	var rules []rule
	for entry := range strings.SplitSeq(text, ";") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		r, err := parseRule(entry)
		if err != nil {
			return nil, fmt.Errorf("fault rule %q: %w; write name=crash, name=error or name=delay:300ms, each with @n for the n-th time only", entry, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(entry string) (rule, error) {
	name, action, ok := strings.Cut(entry, "=")
	if !ok {
		return rule{}, errors.New("no '='")
	}
	r := rule{name: strings.TrimSpace(name)}
	if !nameShape.MatchString(r.name) {
		return rule{}, fmt.Errorf("name %q is not of the shape service.step.before_what", r.name)
	}
	action, hit, ok := strings.Cut(strings.TrimSpace(action), "@")
	if ok {
		n, err := strconv.Atoi(hit)
		if err != nil || n < 1 {
			return rule{}, fmt.Errorf("@%s is not a count from 1", hit)
		}
		r.hit = n
	}
	word, delay, hasDelay := strings.Cut(action, ":")
	r.kind = kind(word)
	switch {
	case r.kind == kindDelay:
		d, err := time.ParseDuration(delay)
		if err != nil || d <= 0 {
			return rule{}, fmt.Errorf("%q is not a duration above zero", delay)
		}
		r.delay = d
	case hasDelay:
		return rule{}, fmt.Errorf("%q takes no value", word)
	case r.kind != kindCrash && r.kind != kindError:
		return rule{}, fmt.Errorf("unknown action %q", word)
	}
	return r, nil
}
