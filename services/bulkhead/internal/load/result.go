package load

import (
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// Balance is the balance of the run, in the words of the contract.
type Balance struct {
	Accepted         int64 `json:"accepted"`
	Landed           int64 `json:"landed"`
	InFlight         int64 `json:"in_flight"`
	Retrying         int64 `json:"retrying"`
	WaitingForParent int64 `json:"waiting_for_parent"`
	Unresolved       int64 `json:"unresolved"`
	Dead             int64 `json:"dead"`
	Superseded       int64 `json:"superseded"`
	Discarded        int64 `json:"discarded"`
	RolledBack       int64 `json:"rolled_back"`
}

func (b Balance) sum() int64 {
	return b.Landed + b.InFlight + b.Retrying + b.WaitingForParent + b.Unresolved + b.Dead + b.Superseded + b.Discarded + b.RolledBack
}

// Moving is what comes to rest by itself.
func (b Balance) Moving() int64 { return b.InFlight + b.Retrying + b.WaitingForParent }

// Result is what a load did.
type Result struct {
	Pipeline string `json:"pipeline"`
	Run      string `json:"run"`
	File     string `json:"file"`
	Format   string `json:"format"`
	// Digest is the one that the keys of the rows begin with.
	Digest string `json:"digest"`
	// Rows are those of the file = Published (or known before) + Refused.
	Rows int64 `json:"rows"`
	// Refused could not be published.
	Refused int64 `json:"refused"`
	// Published are acknowledged by the broker.
	Published int64  `json:"published"`
	Frames    uint64 `json:"frames"`
	// LoadedBefore says that nothing was published because all of it was accepted before.
	LoadedBefore bool `json:"loaded_before"`
	// Balance is that of the whole run, what earlier loads of it brought included.
	Balance Balance `json:"balance"`
	AddsUp  bool    `json:"adds_up"`
	// Followed says that the balance is known.
	Followed bool `json:"followed"`
	// Repeats are those of this load: rows whose keys the ledger knew.
	Repeats int64 `json:"repeats"`
	// Complete says that everything came to rest; else Open says why not, unless nobody waited.
	Complete bool   `json:"complete"`
	Open     string `json:"open,omitempty"`
	// Unaccounted rows were published and are neither accepted nor repeats, which must not be.
	Unaccounted int64 `json:"unaccounted,omitempty"`
	// Problems counts what did not land, Examples are the first of it in the order of the file.
	Problems []Count   `json:"problems"`
	Examples []Problem `json:"examples"`
	// ErrorsFile holds all of it.
	ErrorsFile string  `json:"errors_file,omitempty"`
	Seconds    float64 `json:"seconds"`

	newly int64 // records of the run that were decided since this load began
}

func (l *loader) newResult() *Result {
	return &Result{
		Pipeline: l.c.Pipeline, Run: l.run, File: l.src.name, Format: l.known.Format, Digest: l.known.digest, AddsUp: true,
		Rows: l.known.rows + l.known.refused, ErrorsFile: l.c.ErrorsFile,
	}
}

// balance takes over what ops said before and at the end.
func (r *Result) balance(before, reply *opsv1.GetBalanceResponse) {
	if reply == nil {
		return
	}
	r.Followed = true
	b := reply.GetBalance()
	r.Balance = Balance{
		Accepted: b.GetAccepted(), Landed: b.GetLanded(), InFlight: b.GetInFlight(), Retrying: b.GetRetrying(),
		WaitingForParent: b.GetWaitingForParent(), Unresolved: b.GetUnresolved(), Dead: b.GetDead(), Superseded: b.GetSuperseded(),
		Discarded: b.GetDiscarded(), RolledBack: b.GetRolledBack(),
	}
	r.AddsUp = reply.GetAddsUp() && r.Balance.sum() == r.Balance.Accepted
	r.Repeats = reply.GetRepeats() - before.GetRepeats()
	r.newly = b.GetAccepted() - before.GetBalance().GetAccepted() + r.Repeats
}

func (r *Result) fill(p *problems) {
	r.Refused, r.Problems, r.Examples = p.refused, p.list(), p.examples
	if r.Examples == nil {
		r.Examples = []Problem{}
	}
}
