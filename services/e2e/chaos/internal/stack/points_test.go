package stack

import (
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

func TestAPartObeysARuleFromItsNextStartOn(t *testing.T) {
	p := newPart("ops-1", t.TempDir(), func(history.Event) {})
	p.Rule("f01", "ops.a", "ops.a=crash@1", 1)
	if !p.Obeys("f01") {
		t.Error("it is down, so its next process has the rule")
	}
	p.now = &process{done: make(chan struct{})}
	if p.Obeys("f01") {
		t.Error("the process that runs was started without the rule")
	}
	p.now.rules = p.rulesLocked()
	p.Rule("f02", "ops.b", "ops.b=crash@1", 1)
	if !p.Obeys("f01") || p.Obeys("f02") {
		t.Error("the process that runs has the first rule and not the second")
	}
	close(p.now.done)
	if !p.Obeys("f02") {
		t.Error("the process has ended, so the next one has the rule")
	}
}
