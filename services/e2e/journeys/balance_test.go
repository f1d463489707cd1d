package journeys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
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

// least is the smallest term.
func (b balance) least() int64 {
	return min(b.Landed, b.InFlight, b.Retrying, b.WaitingForParent, b.Unresolved, b.Dead, b.Superseded, b.Discarded, b.RolledBack)
}

// holds says whether the terms add up, and none is below zero to make up for another.
func (b balance) holds() bool { return b.sum() == b.Accepted && b.least() >= 0 }

type balanceReply struct {
	Balance balance `json:"balance"`
	AddsUp  bool    `json:"adds_up"`
	Repeats int64   `json:"repeats"`
	Unread  struct {
		Messages int64 `json:"messages"`
	} `json:"unread"`
	FailedAttempts map[string]int64 `json:"failed_attempts"`
}

// readBalance also checks the promise itself: whatever moment it is, the terms add up.
func readBalance(ctx context.Context, ops, pipeline string) (balanceReply, error) {
	var r balanceReply
	address := ops + "/v1/balance"
	if pipeline != "" {
		address += "?pipeline=" + url.QueryEscape(pipeline)
	}
	if err := ask(ctx, http.MethodGet, address, nil, &r); err != nil {
		return r, err
	}
	if !r.Balance.holds() || !r.AddsUp {
		return r, &unbalanced{r.Balance, r.AddsUp}
	}
	return r, nil
}

type unbalanced struct {
	b      balance
	addsUp bool
}

func (u *unbalanced) Error() string {
	return fmt.Sprintf("the balance does not add up: %+v sums to %d, adds_up is %t", u.b, u.b.sum(), u.addsUp)
}

// watchBalance asks for the balance until the returned function is called, and fails the test when it does not add up once.
// An ops that cannot be reached is no failure: it may have been killed, or be ending.
func watchBalance(t *testing.T, ops string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			var u *unbalanced
			if _, err := readBalance(ctx, ops, ""); errors.As(err, &u) {
				t.Errorf("%s: %v", time.Now().Format(time.RFC3339Nano), err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// settled says whether n records are accepted (n < 0: any number), nothing moves, nothing is unread, and the index of letters has
// caught up with the balance.
func settled(ctx context.Context, ops, pipeline string, n int64) (bool, error) {
	r, err := readBalance(ctx, ops, pipeline)
	if err != nil {
		return false, err
	}
	if n >= 0 && r.Balance.Accepted < n || r.Balance.moving() > 0 || r.Unread.Messages > 0 {
		return false, fmt.Errorf("%+v unread %d", r.Balance, r.Unread.Messages)
	}
	var letters struct {
		Total int64 `json:"total"`
	}
	if err := ask(ctx, http.MethodGet, ops+"/v1/dead-letters?page_size=1&pipeline="+url.QueryEscape(pipeline), nil, &letters); err != nil {
		return false, err
	}
	if letters.Total != r.Balance.Dead+r.Balance.Unresolved {
		return false, fmt.Errorf("%d letters are indexed, %d records are dead and %d unresolved", letters.Total, r.Balance.Dead, r.Balance.Unresolved)
	}
	return true, nil
}
