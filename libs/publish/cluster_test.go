package publish_test

import (
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/publish"
	"bulkhead/libs/testkit"
)

func TestAStreamThatElectsALeaderIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := testkit.NATSCluster(t)
	leader := -1
	b := connect(t, c.URLs())
	for leader < 0 { // until all of the cluster is there
		if err := bus.EnsureRecords(t.Context(), b.bus, "p", bus.Limits{MaxBytes: 64 << 20, Replicas: 3}); err != nil {
			continue
		}
		if info, err := b.bus.Broker.Stream(t.Context(), bus.RecordsStream("p")); err == nil {
			leader = c.Node(info.Cluster.Leader)
		}
	}
	here := (leader + 1) % 3
	b = connect(t, c.URL(here))
	var lonely time.Time // since when nobody answers
	p := b.publisher(t, publish.WithRetry(func(publish.Wait) {
		switch {
		case lonely.IsZero():
			lonely = time.Now()
		case time.Since(lonely) > withoutLeader:
			c.Join(here)
		}
	}))
	add(t, p, publish.Record{Body: body(1)})
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Cut(here)
	add(t, p, publish.Record{Body: body(2)})
	if err := p.Flush(t.Context()); err != nil {
		t.Errorf("while a stream has no leader: %v", err)
	}
	if s := p.Stats(); s.Records != 2 {
		t.Errorf("%+v", s)
	}
}

// withoutLeader is longer than a stream may be missing at a server that is starting.
const withoutLeader = 5 * time.Second
