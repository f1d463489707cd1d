package journeys

import (
	"context"
	"fmt"
)

// balance is the object of the contract, read without any of the product's types.
type balance struct {
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

func (b balance) sum() int64 {
	return b.Landed + b.InFlight + b.Retrying + b.WaitingForParent + b.Unresolved + b.Dead + b.Superseded + b.Discarded + b.RolledBack
}

func (b balance) moving() int64 { return b.InFlight + b.Retrying + b.WaitingForParent }

type balanceReply struct {
	Balance balance `json:"balance"`
	Repeats int64   `json:"repeats"`
	Unread  struct {
		Messages int64 `json:"messages"`
	} `json:"unread"`
}

// readBalance also checks the promise itself: whatever moment it is, the terms add up.
func readBalance(ctx context.Context, ops, pipeline string) (balanceReply, error) {
	var r balanceReply
	url := ops + "/v1/balance"
	if pipeline != "" {
		url += "?pipeline=" + pipeline
	}
	if err := getJSON(ctx, url, &r); err != nil {
		return r, err
	}
	if r.Balance.sum() != r.Balance.Accepted {
		return r, &unbalanced{r.Balance}
	}
	return r, nil
}

type unbalanced struct{ b balance }

func (u *unbalanced) Error() string {
	return fmt.Sprintf("the balance does not add up: %+v sums to %d", u.b, u.b.sum())
}

// settled says whether n records are accepted (n < 0: any number), nothing moves and nothing is unread.
func settled(ctx context.Context, ops, pipeline string, n int64) (bool, error) {
	r, err := readBalance(ctx, ops, pipeline)
	if err != nil {
		return false, err
	}
	if n >= 0 && r.Balance.Accepted < n || r.Balance.moving() > 0 || r.Unread.Messages > 0 {
		return false, fmt.Errorf("%+v unread %d", r.Balance, r.Unread.Messages)
	}
	return true, nil
}
