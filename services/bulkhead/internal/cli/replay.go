package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/bulkhead/internal/opsclient"
)

// rereadEvery is the pause between two looks at an order that is carried out.
const rereadEvery = 500 * time.Millisecond

func newReplay(g *globals) *cobra.Command {
	var (
		in                   opsv1.RereadRecordsRequest
		since, by, follow    string
		noWait, fromSequence bool
	)
	cmd := &cobra.Command{
		Use:   "replay --pipeline NAME (--from-seq N | --since TIME)",
		Short: "Read a part of a pipeline's stream again",
		Long: `Read a part of a pipeline's stream again, for when the ledger may lack what the stream still holds, as after a restored backup.
What the ledger knows is a repeat and changes nothing; what it does not know is accepted, and what was discarded or rolled back is
accepted anew. Newer versions of an entity are never overwritten. To send dead letters again, use bulkhead dlq replay.

--from-seq is a sequence of the stream RECORDS_<pipeline>; --since is a time as 2026-11-22T03:00:00Z, or how long ago as 90m, 24h
or 7d: everything that the broker stored since then. Without --to-seq it is read up to where the pipeline has read.

The command waits and shows how far it has come; the order itself does not need it: --no-wait, or Ctrl-C, leaves it to go on, and
--follow ID looks at it again. Exit code 3: it ended and part of it could not be read.`,
		Example: `  bulkhead replay --pipeline contacts --since 24h --reason 'the ledger was restored from last night'
  bulkhead replay --pipeline contacts --from-seq 120000 --to-seq 130000 --reason 'asked for by sales'
  bulkhead replay --follow 0b6c1f0e-6c55-5f1c-9a0e-3f2f8f3a1c11`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fromSequence = cmd.Flags().Changed("from-seq")
			if follow == "" {
				if err := checkReplay(&in, since, fromSequence, time.Now()); err != nil {
					return usage(err)
				}
			} else if in.GetPipeline() != "" || since != "" || fromSequence {
				return usage(errors.New("--follow looks at an order that was given: leave out what to read"))
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			if follow == "" {
				if in.GetIdempotencyKey() == "" {
					in.IdempotencyKey = "reread-" + rand.Text()
				}
				in.By = by
				resp, raw, err := c.Reread(cmd.Context(), &in)
				if err != nil {
					return err
				}
				order := resp.GetReread()
				follow = order.GetId()
				if noWait {
					if g.json {
						fmt.Fprintf(g.out, "%s\n", raw)
						return nil
					}
					fmt.Fprintf(g.out, "sequences %d to %d of %s are read again (order %s)\nnext: bulkhead replay --follow %s\n", order.GetFromSeq(), order.GetToSeq(), printable(order.GetPipeline()), order.GetId(), order.GetId())
					return nil
				}
			}
			return followReread(cmd.Context(), g, c, follow)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Pipeline, "pipeline", "", "the pipeline whose stream is read")
	f.Int64Var(&in.FromSeq, "from-seq", 0, "the first `sequence` to read")
	f.StringVar(&since, "since", "", "read what was stored since this `time`, or so long ago")
	f.Int64Var(&in.ToSeq, "to-seq", 0, "the last `sequence` to read (default: up to where the pipeline has read)")
	f.StringVar(&in.Reason, "reason", "", "why; it is kept in the audit trail")
	f.StringVar(&in.IdempotencyKey, "idempotency-key", "", "the same key again does nothing and returns the first answer; default a new one")
	f.BoolVar(&noWait, "no-wait", false, "give the order and return")
	f.StringVar(&follow, "follow", "", "the `id` of an order that was given")
	byFlag(cmd, &by, "who orders it")
	return cmd
}

// checkReplay says what is wrong with an order before it is given, and fills in the time that since names.
func checkReplay(in *opsv1.RereadRecordsRequest, since string, fromSequence bool, now time.Time) error {
	switch {
	case in.GetPipeline() == "":
		return errors.New("--pipeline is needed")
	case fromSequence == (since != ""):
		return errors.New("give either --from-seq or --since")
	case fromSequence && in.GetFromSeq() < 1:
		return fmt.Errorf("--from-seq %d is no sequence: 1 or above", in.GetFromSeq())
	case in.GetToSeq() < 0 || fromSequence && in.GetToSeq() != 0 && in.GetToSeq() < in.GetFromSeq():
		return fmt.Errorf("--to-seq %d lies before what is read first", in.GetToSeq())
	case strings.TrimSpace(in.GetReason()) == "":
		return errors.New("--reason is needed; it is kept in the audit trail")
	}
	if since == "" {
		return nil
	}
	at, err := pointInTime(since, now)
	if err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	in.Since = timestamppb.New(at)
	return nil
}

// pointInTime reads a time, or a span before now in the units of Go and days.
func pointInTime(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		if at.After(now) {
			return time.Time{}, fmt.Errorf("%s lies in the future", text)
		}
		return at, nil
	}
	span := text
	if days, ok := strings.CutSuffix(text, "d"); ok {
		span = days + "h"
	}
	d, err := time.ParseDuration(span)
	if span != text {
		d *= 24
	}
	if err != nil || d <= 0 {
		return time.Time{}, fmt.Errorf("%q is neither a time such as 2026-11-22T03:00:00Z nor how long ago, such as 90m, 24h or 7d", text)
	}
	return now.Add(-d), nil
}

// followReread waits until an order is carried out, and prints what came of it.
func followReread(ctx context.Context, g *globals, c *opsclient.Client, id string) error {
	p := newProgress(g.err)
	p.Phase("reading again")
	defer p.Done()
	for {
		resp, raw, err := c.GetReread(ctx, id)
		if err != nil {
			return err
		}
		r := resp.GetReread()
		all := r.GetToSeq() - r.GetFromSeq() + 1
		if r.GetDone() {
			p.Done()
			if g.json {
				fmt.Fprintf(g.out, "%s\n", raw)
			} else {
				fmt.Fprintf(g.out, "%s messages of %s were read again: %s records were known, %s are accepted now\n",
					thousands(all), printable(r.GetPipeline()), thousands(r.GetKnown()), thousands(r.GetAccepted()))
				if r.GetError() != "" {
					fmt.Fprintf(g.out, "not all of it: %s\n", printable(r.GetError()))
				}
				if r.GetAccepted() > 0 {
					fmt.Fprintln(g.out, "next: bulkhead status --watch")
				}
			}
			if r.GetError() != "" {
				return exitWith(ExitPartly)
			}
			return nil
		}
		note := fmt.Sprintf("%s known, %s accepted", thousands(r.GetKnown()), thousands(r.GetAccepted()))
		if r.GetError() != "" {
			note += ", " + oneLine(r.GetError(), 80)
		}
		p.At(max(r.GetReadSeq()-r.GetFromSeq()+1, 0), all, note)
		select {
		case <-ctx.Done():
			return exit(ExitInterrupted, fmt.Errorf("interrupted; the order goes on: bulkhead replay --follow %s", id))
		case <-time.After(rereadEvery):
		}
	}
}
