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
	err := Set(os.Getenv("BULKHEAD_FAULT"))
	if err == nil {
		err = openLog(os.Getenv("BULKHEAD_FAULT_LOG"))
	}
	if err != nil {
		// A chaos run whose faults are misspelt, or leave no trace, would pass without having tested anything.
		fmt.Fprintln(os.Stderr, "fault points:", err)
		os.Exit(2)
	}
}

// handlerKey is the context's key of a [Handler].
type handlerKey struct{}

// With returns a context under which every place asks the handler first. A handler put in later stands in the place of the one before it.
func With(ctx context.Context, h Handler) context.Context {
	return context.WithValue(ctx, handlerKey{}, h)
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

// Point counts that the place was reached, asks the context's handler, and does what the rules for the place say, in their order.
// It returns the handler's error, an error that wraps ErrInjected, ctx's error when ctx ends during a delay, or nil.
func Point(ctx context.Context, name string) error {
	rules := due(name)
	if h, ok := ctx.Value(handlerKey{}).(Handler); ok {
		if err := h(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, r := range rules {
		switch r.kind {
		case kindCrash:
			tell("killed", name)
			// SIGKILL, not os.Exit: what a power cut or the kernel's memory killer leaves is what is to be tested.
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case kindError:
			return fmt.Errorf("%s: %w", name, ErrInjected)
		case kindDelay:
			tell("held", name)
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
	tellFirst(name)
	var rules []rule
	for _, r := range state.rules {
		if r.name == name && (r.hit == 0 || r.hit == state.hits[name]) {
			rules = append(rules, r)
		}
	}
	return rules
}
