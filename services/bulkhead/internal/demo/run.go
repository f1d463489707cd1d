package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/bulkhead/internal/opsclient"
)

// Config of one demo.
type Config struct {
	Records int
	Seed    uint64
	// Where things are: a running stack with the shipped pipelines and the default object model, and nothing in it yet.
	NATSURL, OpsURL, SimControlURL string
	// Out gets the story for people, Progress the moving line; either may be io.Discard.
	Out      io.Writer
	Progress Progress
}

// Progress shows how far a phase is; total 0 = not known yet.
type Progress interface {
	Phase(name string)
	At(done, total int64, note string)
	Done()
}

// Timeouts of the waits: far above what a run takes on a busy machine.
const (
	settleTimeout = 10 * time.Minute
	look          = 200 * time.Millisecond
	// restLooks is how many looks in a row must agree that nothing moves, since letters reach the index a moment after the balance.
	restLooks = 3
)

// ErrDisagrees says that the verdict found differences; Result.Complaints names them.
var ErrDisagrees = errors.New("the balance does not agree with what was published or with what the org holds")

type runner struct {
	Config
	ops *opsclient.Client
	sim *simulator
	js  jetstream.JetStream
}

// Run does the whole demo. The result is complete whenever the error is nil or ErrDisagrees.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	load, err := Generate(cfg.Records, cfg.Seed)
	if err != nil {
		return nil, err
	}
	ops, err := opsclient.New(cfg.OpsURL, "")
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(cfg.NATSURL, nats.Name("bulkhead-demo-publisher"))
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", cfg.NATSURL, err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("JetStream: %w", err)
	}
	r := &runner{Config: cfg, ops: ops, sim: newSimulator(strings.TrimRight(cfg.SimControlURL, "/")), js: js}
	if err := r.sim.prepare(ctx, load); err != nil {
		return nil, err
	}
	return r.run(ctx, load)
}

func (r *runner) run(ctx context.Context, all Load) (*Result, error) {
	started := time.Now()
	early, late := splitLate(all.Accounts)
	fmt.Fprintf(r.Out, "%d accounts and %d contacts; about one contact in twenty is made to fail at first.\n\n", len(early), len(all.Contacts))

	if err := load(ctx, r, "accounts", early, int64(len(early))); err != nil {
		return nil, err
	}
	if err := load(ctx, r, "contacts", all.Contacts, int64(len(early)+len(all.Contacts))); err != nil {
		return nil, err
	}
	first, groups, keys, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(r.Out, "Everything that could land by itself has landed:")
	r.tell(first.GetBalance())
	r.tellGroups(groups)
	bad, err := judge(ctx, r.sim, all, first, keys, false)
	if err != nil {
		return nil, err
	}

	fmt.Fprintf(r.Out, "\nHealing the group `reference`: %d accounts that were missing are published, then its letters are replayed.\n", len(late))
	if err := load(ctx, r, "accounts", late, int64(r.Records)); err != nil {
		return nil, err
	}
	replayed, err := r.heal(ctx)
	if err != nil {
		return nil, err
	}
	last, groups, keys, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(r.Out, "After the replay:")
	r.tell(last.GetBalance())
	r.tellGroups(groups)
	again, err := judge(ctx, r.sim, all, last, keys, true)
	if err != nil {
		return nil, err
	}
	res, err := r.result(ctx, last, groups, replayed, time.Since(started))
	if err != nil {
		return nil, err
	}
	res.Complaints = append(bad.list(), again.list()...)
	res.OK = len(res.Complaints) == 0
	if !res.OK {
		return res, ErrDisagrees
	}
	fmt.Fprintf(r.Out, "\nThe balance agrees with the %d records that were published and with the %d rows that the org holds.\n", r.Records, res.orgRows())
	fmt.Fprintf(r.Out, "%d jobs, %d API requests, %.1f s, %.0f records a second.\n", res.Jobs, res.APICalls, res.Seconds, res.RecordsPerSecond)
	return res, nil
}

func splitLate(accounts []Account) (early, late []Account) {
	for i, a := range accounts {
		if a.Fate == FateLate {
			return accounts[:i], accounts[i:]
		}
	}
	return accounts, nil
}

// load publishes to one pipeline and waits until all that was published so far has come to rest.
func load[T any](ctx context.Context, r *runner, pipeline string, records []T, accepted int64) error {
	packed, err := frames(records)
	if err != nil {
		return err
	}
	r.Progress.Phase("publish " + pipeline)
	err = publish(ctx, r.js, "records."+pipeline, packed, func(done int) {
		r.Progress.At(int64(done), int64(len(packed)), "frames acknowledged")
	})
	if err != nil {
		return err
	}
	r.Progress.Phase("carry " + pipeline)
	defer r.Progress.Done()
	return r.rest(ctx, accepted)
}

// rest waits until so many records are accepted, nothing moves, and the index of letters has caught up with the balance.
func (r *runner) rest(ctx context.Context, accepted int64) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	still := 0
	var last *opsv1.Balance
	for {
		b, _, err := r.ops.Balance(ctx, "", "")
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return fmt.Errorf("nothing came to rest within %s; the last balance was %v", settleTimeout, last)
		default:
			return err
		}
		last = b.GetBalance()
		moving := last.GetInFlight() + last.GetRetrying() + last.GetWaitingForParent()
		r.Progress.At(last.GetLanded()+last.GetDead(), accepted, fmt.Sprintf("landed %d, in flight %d, retrying %d, dead %d",
			last.GetLanded(), last.GetInFlight(), last.GetRetrying()+last.GetWaitingForParent(), last.GetDead()))
		if last.GetAccepted() >= accepted && moving == 0 && b.GetUnread().GetMessages() == 0 {
			letters, _, err := r.ops.DeadLetters(ctx, &opsv1.ListDeadLettersRequest{PageSize: 1})
			if err != nil {
				return err
			}
			if letters.GetTotal() == last.GetDead() {
				still++
			} else {
				still = 0
			}
			if still == restLooks {
				return nil
			}
		} else {
			still = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
	}
}

// look reads balance, groups and every open letter; the letters are counted by entity.
func (r *runner) look(ctx context.Context) (*opsv1.GetBalanceResponse, []*opsv1.DeadLetterGroup, map[string]int, error) {
	b, _, err := r.ops.Balance(ctx, "", "")
	if err != nil {
		return nil, nil, nil, err
	}
	groups, _, err := r.ops.DeadLetterGroups(ctx, &opsv1.ListDeadLetterGroupsRequest{})
	if err != nil {
		return nil, nil, nil, err
	}
	entities, token := map[string]int{}, ""
	for {
		page, _, err := r.ops.DeadLetters(ctx, &opsv1.ListDeadLettersRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, nil, nil, err
		}
		for _, l := range page.GetDeadLetters() {
			entities[l.GetEntity()]++
		}
		if token = page.GetNextPageToken(); token == "" {
			return b, groups.GetGroups(), entities, nil
		}
	}
}

// heal replays the letters of class reference, all that there are, and waits until each has its new outcome.
func (r *runner) heal(ctx context.Context) (Replayed, error) {
	out := Replayed{Class: "reference"}
	waiting, _, err := r.ops.DeadLetters(ctx, &opsv1.ListDeadLettersRequest{Class: "reference", PageSize: 1})
	if err != nil {
		return out, err
	}
	n := waiting.GetTotal()
	before, _, err := r.ops.Balance(ctx, "", "")
	if err != nil {
		return out, err
	}
	resp, _, err := r.ops.Replay(ctx, &opsv1.ReplayDeadLettersRequest{
		Filter: &opsv1.LetterFilter{Class: "reference"}, ExpectedCount: &n, Reason: "the missing accounts were published",
		IdempotencyKey: fmt.Sprintf("demo-heal-%d", r.Seed), By: "demo",
	})
	if err != nil {
		return out, err
	}
	r.Progress.Phase("replay")
	defer r.Progress.Done()
	if err := r.rest(ctx, before.GetBalance().GetAccepted()); err != nil {
		return out, err
	}
	after, _, err := r.ops.Balance(ctx, "", "")
	if err != nil {
		return out, err
	}
	out.Records = resp.GetReplayed()
	out.Landed = after.GetBalance().GetLanded() - before.GetBalance().GetLanded()
	return out, nil
}

func (r *runner) tell(b *opsv1.Balance) {
	fmt.Fprintf(r.Out, "  accepted %d = landed %d + in flight %d + retrying %d + waiting for parent %d + unresolved %d + dead %d + superseded %d + discarded %d + rolled back %d\n",
		b.GetAccepted(), b.GetLanded(), b.GetInFlight(), b.GetRetrying(), b.GetWaitingForParent(), b.GetUnresolved(), b.GetDead(),
		b.GetSuperseded(), b.GetDiscarded(), b.GetRolledBack())
}

func (r *runner) tellGroups(groups []*opsv1.DeadLetterGroup) {
	for _, g := range groups {
		fmt.Fprintf(r.Out, "  %6d dead · %-10s %-9s %s · %s\n", g.GetCount(), g.GetClass(), g.GetPipeline(), g.GetCode(), g.GetMessageTemplate())
	}
}
