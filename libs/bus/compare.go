package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Wanted is a stream as ops makes it.
type Wanted struct{ config jetstream.StreamConfig }

// Name of the stream.
func (w Wanted) Name() string { return w.config.Name }

// Standing is what a stream is like, beside what it is to be.
type Standing struct {
	StreamInfo
	// Differences are settings that are not what ops gives the stream, a sentence each.
	Differences []string
	// Leader is the server that answers for the stream; "" where no cluster stands behind it. Behind are those of its replicas that are away, or far
	// from what the leader has: those that follow it are a few operations behind while it is written to.
	Clustered bool
	Leader    string
	Behind    []string
}

// lagging is how many operations a replica may be behind its leader and still follow it.
const lagging = 1_000

// Look asks the broker what a stream is like. One that is not there gives an error that wraps [jetstream.ErrStreamNotFound], and one without a leader that
// a majority follows [ErrNoMajority].
func (w Wanted) Look(ctx context.Context, conn *Conn) (Standing, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	i, err := conn.Broker.Stream(ctx, w.config.Name)
	if err != nil {
		return Standing{}, fmt.Errorf("stream %s: %w", w.config.Name, err)
	}
	out := Standing{StreamInfo: streamInfo(i), Differences: differences(i.Config, w.config)}
	if c := i.Cluster; c != nil {
		out.Clustered, out.Leader = c.Name != "", c.Leader
		for _, r := range c.Replicas {
			if r.Offline || r.Active > followedWithin || r.Lag > lagging {
				out.Behind = append(out.Behind, r.Name)
			}
		}
	}
	return out, nil
}

// differences are what is not so of a stream as it is to be, a sentence each.
func differences(have, want jetstream.StreamConfig) (out []string) {
	for _, s := range []struct {
		name       string
		have, want any
	}{
		{"storage", have.Storage, want.Storage},
		{"retention", have.Retention, want.Retention},
		{"subjects", have.Subjects, want.Subjects},
		{"replicas", have.Replicas, want.Replicas},
		{"max_bytes", have.MaxBytes, want.MaxBytes},
		{"max_age", have.MaxAge, want.MaxAge},
		{"discard", have.Discard, want.Discard},
		{"duplicate_window", have.Duplicates, want.Duplicates},
		{"allow_direct", have.AllowDirect, want.AllowDirect},
		{"allow_atomic", have.AllowAtomicPublish, want.AllowAtomicPublish},
		{"deny_delete", have.DenyDelete, want.DenyDelete},
	} {
		if is, be := fmt.Sprint(s.have), fmt.Sprint(s.want); is != be {
			out = append(out, fmt.Sprintf("%s is %s and not %s", s.name, is, be))
		}
	}
	return out
}
