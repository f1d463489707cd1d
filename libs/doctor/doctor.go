// Package doctor checks what an installation stands on: one check, one line, and what to do about it.
//
// It looks at PostgreSQL ([Ledger], [Schemas]) and at NATS ([Broker], [Stream]) through connections that somebody else has opened, as ops has them and as
// the command line opens them, and changes nothing. What a fact means is decided by functions that are pure.
//
// What always holds: a check is ok, wrong or unknown. Unknown is what nobody told, and never taken for ok: the check says whom to ask. Whatever is wrong
// has a way to put it right. No check holds a password. Every question is bounded by its context.
//
// What is left to others: the orgs (ops knows their clients), which streams there must be (ops, too), exit codes and words on a screen (package cli).
package doctor

import (
	"fmt"
	"strings"
	"time"
)

// Result of a check.
type Result string

// The results.
const (
	OK      Result = "ok"
	Wrong   Result = "wrong"
	Unknown Result = "unknown"
)

// Check is one thing that was looked at.
type Check struct {
	// Of is what was looked at: ledger, broker, stream RECORDS_contacts, org main, ops. Name is what of it, a word.
	Of, Name string
	Result   Result
	// Found says what there is, Fix what to do about it; "" = nothing.
	Found, Fix string
}

// ok, wrong and unknown make checks.
func ok(of, name, found string, args ...any) Check {
	return Check{Of: of, Name: name, Result: OK, Found: fmt.Sprintf(found, args...)}
}

func wrong(of, name, fix, found string, args ...any) Check {
	return Check{Of: of, Name: name, Result: Wrong, Found: fmt.Sprintf(found, args...), Fix: fix}
}

func unknown(of, name, fix, found string, args ...any) Check {
	return Check{Of: of, Name: name, Result: Unknown, Found: fmt.Sprintf(found, args...), Fix: fix}
}

// maxSkew is how far two clocks may differ before ages, waits and the horizon of RECORDS mislead whoever reads them.
const maxSkew = 5 * time.Second

// Skew compares a clock with this machine's. ahead is how far it is ahead of ours, give or take slack, which is the time that asking took.
func Skew(of string, ahead, slack time.Duration) Check {
	differs := ahead.Abs()
	if differs-slack > maxSkew {
		way := "ahead of"
		if ahead < 0 {
			way = "behind"
		}
		return wrong(of, "clock", "let all machines take their time from NTP, and look which of the two is right", "it is %s %s ours", differs.Round(time.Millisecond), way)
	}
	return ok(of, "clock", "within %s of ours", (differs + slack).Round(time.Millisecond))
}

// Count is how many checks have a result.
func Count(checks []Check, r Result) int {
	n := 0
	for _, c := range checks {
		if c.Result == r {
			n++
		}
	}
	return n
}

// oneLine is an error's text on one line.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
