package record

// Balance counts records by what became of them. It adds up at every moment: accepted is the sum of the other nine.
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

// Sum is the sum of the nine terms, without accepted.
func (b Balance) Sum() int64 {
	return b.Landed + b.InFlight + b.Retrying + b.WaitingForParent + b.Unresolved + b.Dead + b.Superseded + b.Discarded + b.RolledBack
}

// AddsUp says whether accepted equals the sum and no term is negative. A balance that does not is an incident, not a rounding.
func (b Balance) AddsUp() bool {
	for _, n := range []int64{
		b.Accepted, b.Landed, b.InFlight, b.Retrying, b.WaitingForParent,
		b.Unresolved, b.Dead, b.Superseded, b.Discarded, b.RolledBack,
	} {
		if n < 0 {
			return false
		}
	}
	return b.Accepted == b.Sum()
}

// Open is the number of records that have not reached an end: in flight, retrying, waiting for a parent or unresolved.
func (b Balance) Open() int64 { return b.InFlight + b.Retrying + b.WaitingForParent + b.Unresolved }

// Add returns the sum of two balances, term by term.
func (b Balance) Add(o Balance) Balance {
	return Balance{
		Accepted:         b.Accepted + o.Accepted,
		Landed:           b.Landed + o.Landed,
		InFlight:         b.InFlight + o.InFlight,
		Retrying:         b.Retrying + o.Retrying,
		WaitingForParent: b.WaitingForParent + o.WaitingForParent,
		Unresolved:       b.Unresolved + o.Unresolved,
		Dead:             b.Dead + o.Dead,
		Superseded:       b.Superseded + o.Superseded,
		Discarded:        b.Discarded + o.Discarded,
		RolledBack:       b.RolledBack + o.RolledBack,
	}
}

// Of returns the term that counts records in state s; 0 for a word that is no state.
func (b Balance) Of(s State) int64 {
	switch s {
	case StateLanded:
		return b.Landed
	case StateInFlight:
		return b.InFlight
	case StateRetrying:
		return b.Retrying
	case StateWaitingForParent:
		return b.WaitingForParent
	case StateUnresolved:
		return b.Unresolved
	case StateDead:
		return b.Dead
	case StateSuperseded:
		return b.Superseded
	case StateDiscarded:
		return b.Discarded
	case StateRolledBack:
		return b.RolledBack
	}
	return 0
}
