//go:build fault

package fault

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Enabled says whether this binary was built with the tag `fault`.
const Enabled = true

// state is one for the process, because a fault is: it is what BULKHEAD_FAULT of this process says.
var state = struct {
	sync.Mutex
	rules []rule
	hits  map[string]int
}{hits: map[string]int{}}

func init() {
	if err := Set(os.Getenv("BULKHEAD_FAULT")); err != nil {
		// A chaos run whose faults are misspelt would pass without having tested anything.
		fmt.Fprintln(os.Stderr, "BULKHEAD_FAULT:", err)
		os.Exit(2)
	}
}

// Set replaces all rules and forgets all hits. Text is as in BULKHEAD_FAULT; empty text removes every rule.
func Set(rules string) error {
	parsed, err := parse(rules)
	if err != nil {
		return err
	}
	state.Lock()
	defer state.Unlock()
	state.rules, state.hits = parsed, map[string]int{}
	return nil
}

// Hits says how often each place was reached since the start or the last Set.
func Hits() map[string]int {
	state.Lock()
	defer state.Unlock()
	hits := make(map[string]int, len(state.hits))
	for name, n := range state.hits {
		hits[name] = n
	}
	return hits
}

// Point counts that the place was reached and does what the rules for it say, in their order.
// It returns an error that wraps ErrInjected, ctx's error when ctx ends during a delay, or nil.
func Point(ctx context.Context, name string) error {
	for _, r := range due(name) {
		switch r.kind {
		case kindCrash:
			// SIGKILL, not os.Exit: what a power cut or the kernel's memory killer leaves is what is to be tested.
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case kindError:
			return fmt.Errorf("%s: %w", name, ErrInjected)
		case kindDelay:
			timer := time.NewTimer(r.delay)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return fmt.Errorf("%s: %w", name, ctx.Err())
			}
		}
	}
	return nil
}

// due counts the hit and returns the rules that apply to it.
func due(name string) []rule {
	state.Lock()
	defer state.Unlock()
	state.hits[name]++
	var rules []rule
	for _, r := range state.rules {
		if r.name == name && (r.hit == 0 || r.hit == state.hits[name]) {
			rules = append(rules, r)
		}
	}
	return rules
}
