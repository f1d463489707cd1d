package load

import (
	"bulkhead/libs/record"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/bulkhead/internal/opsclient"
)

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
	Balance record.Balance `json:"balance"`
	AddsUp  bool           `json:"adds_up"`
	// Followed says that the balance is known.
	Followed bool `json:"followed"`
	// Repeats are those of this load: rows whose keys the ledger knew.
	Repeats int64 `json:"repeats"`
	// RepeatsNotLanded are records that other runs brought, that rows of this file are repeats of, and that have not landed. Problems counts them, too.
	RepeatsNotLanded int64 `json:"repeats_not_landed"`
	// RepeatsUnchecked are records of other runs that have not landed and were not compared with the file, since there are too many.
	RepeatsUnchecked int64 `json:"repeats_unchecked,omitempty"`
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
	r.Balance = opsclient.BalanceOf(b)
	r.AddsUp = reply.GetAddsUp() && r.Balance.AddsUp()
	r.Repeats = reply.GetRepeats() - before.GetRepeats()
	r.newly = b.GetAccepted() - before.GetBalance().GetAccepted() + r.Repeats
}

func (r *Result) fill(p *problems) {
	r.Refused, r.Problems, r.Examples = p.refused, p.list(), p.examples
	if r.Examples == nil {
		r.Examples = []Problem{}
	}
}
