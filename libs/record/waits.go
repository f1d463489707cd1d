package record

import (
	"cmp"
	"fmt"
	"time"
)

// Waits are the waits that services share. Each is a setting; [ShortWaits] is for demos and tests, never a default.
type Waits struct {
	// Missing is the time over which the result files are read again before rows in none of them are taken as missing. Setting missing.wait.
	Missing time.Duration `yaml:"missing.wait"`
	// Settle is the time between two reads of a failed or aborted job's files that must agree. Setting settle.wait.
	Settle time.Duration `yaml:"settle.wait"`
	// Gone is the time over which a job must stay unknown to Salesforce (404) to be taken as gone. Setting gone.wait.
	Gone time.Duration `yaml:"gone.wait"`
	// Lookup is the time between two look-ups that must agree. Setting lookup.wait.
	Lookup time.Duration `yaml:"lookup.wait"`
	// BindMaxAge is the age at which an open job is not bound any more. Setting bind.max_age.
	BindMaxAge time.Duration `yaml:"bind.max_age"`
	// OrphanAge is the age at which an open job that nothing is bound to is an orphan; always above BindMaxAge. Setting orphan.age.
	OrphanAge time.Duration `yaml:"orphan.age"`
}

// DefaultWaits are the waits for real orgs.
func DefaultWaits() Waits {
	return Waits{
		Missing:    10 * time.Minute,
		Settle:     time.Minute,
		Gone:       2 * time.Minute,
		Lookup:     time.Minute,
		BindMaxAge: 30 * time.Minute,
		OrphanAge:  time.Hour,
	}
}

// ShortWaits are the waits of `waits: short`: each at most two seconds.
func ShortWaits() Waits {
	return Waits{
		Missing:    2 * time.Second,
		Settle:     time.Second,
		Gone:       2 * time.Second,
		Lookup:     time.Second,
		BindMaxAge: 1500 * time.Millisecond,
		OrphanAge:  2 * time.Second,
	}
}

// Filled returns the waits with those that are not set (zero) taken from the short or the default ones.
func (w Waits) Filled(short bool) Waits {
	others := DefaultWaits()
	if short {
		others = ShortWaits()
	}
	return Waits{
		Missing: cmp.Or(w.Missing, others.Missing), Settle: cmp.Or(w.Settle, others.Settle), Gone: cmp.Or(w.Gone, others.Gone),
		Lookup: cmp.Or(w.Lookup, others.Lookup), BindMaxAge: cmp.Or(w.BindMaxAge, others.BindMaxAge), OrphanAge: cmp.Or(w.OrphanAge, others.OrphanAge),
	}
}

// Check refuses waits that cannot be right: one that is not positive, or an orphan age that a job still to be bound could reach.
func (w Waits) Check() error {
	for _, wait := range []struct {
		name  string
		value time.Duration
	}{
		{"missing.wait", w.Missing},
		{"settle.wait", w.Settle},
		{"gone.wait", w.Gone},
		{"lookup.wait", w.Lookup},
		{"bind.max_age", w.BindMaxAge},
		{"orphan.age", w.OrphanAge},
	} {
		if wait.value <= 0 {
			return fmt.Errorf("%s is %s: it must be above zero", wait.name, wait.value)
		}
	}
	if w.OrphanAge <= w.BindMaxAge {
		return fmt.Errorf("orphan.age (%s) must be above bind.max_age (%s): an orphan sweep must never meet a job that may still be bound",
			w.OrphanAge, w.BindMaxAge)
	}
	return nil
}
