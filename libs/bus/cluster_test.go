package bus_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
)

// replicated are the limits of a stream in a cluster.
var replicated = bus.Limits{MaxBytes: 64 << 20, Replicas: 3}

// clustered is a cluster with a stream of records that all three servers hold, a connection to each of them, and its leader.
func clustered(t *testing.T, pipeline string) (c *testkit.Cluster, conns [3]*bus.Conn, leader int) {
	t.Helper()
	c = testkit.NATSCluster(t)
	for i := range conns {
		conns[i] = connect(t, c.URL(i))
	}
	eventually(t, "the stream is made", func() bool {
		return bus.EnsureRecords(t.Context(), conns[0], pipeline, replicated) == nil
	})
	leader = -1
	eventually(t, "it has a leader, and the others hold it", func() bool {
		info, err := conns[0].Broker.Stream(t.Context(), bus.RecordsStream(pipeline))
		if err != nil || info.Cluster == nil || len(info.Cluster.Replicas) != 2 {
			return false
		}
		leader = c.Node(info.Cluster.Leader)
		return info.Cluster.Replicas[0].Current && info.Cluster.Replicas[1].Current
	})
	return c, conns, leader
}

// published publishes until it is acknowledged: a cluster may be without a leader for a while.
func published(t *testing.T, conn *bus.Conn, pipeline, body string) {
	t.Helper()
	eventually(t, "it is acknowledged", func() bool {
		return bus.Publish(t.Context(), conn, bus.Message{Subject: bus.RecordsSubject(pipeline), Body: []byte(body)}) == nil
	})
}

func TestAServerThatIsCutOffFromItsClusterSaysNothingWrong(t *testing.T) {
	t.Parallel()
	t.Run("as a replica that lags behind it calls no message lost", func(t *testing.T) {
		t.Parallel()
		c, conns, leader := clustered(t, "parts")
		lags, other := (leader+1)%3, (leader+2)%3
		published(t, conns[other], "parts", "one")
		stream := bus.RecordsStream("parts")
		eventually(t, "it answers by itself", func() bool { return c.Answers(t, lags, "$JS.API.DIRECT.GET."+stream) })
		c.Cut(lags)
		published(t, conns[other], "parts", "two")
		if m, err := bus.GetMessage(t.Context(), conns[lags], stream, 2); err == nil || errors.Is(err, bus.ErrNoMessage) {
			t.Errorf("of a message that the majority has it says %q, %v", m.Data, err)
		}
		c.Join(lags)
		eventually(t, "it has it", func() bool {
			m, err := bus.GetMessage(t.Context(), conns[lags], stream, 2)
			return err == nil && string(m.Data) == "two"
		})
		eventually(t, "it says that there is no third", func() bool {
			_, err := bus.GetMessage(t.Context(), conns[lags], stream, 3)
			return errors.Is(err, bus.ErrNoMessage)
		})
	})
	t.Run("as the leader that it was it calls no stream shortened", func(t *testing.T) {
		t.Parallel()
		c, conns, leader := clustered(t, "prices")
		published(t, conns[leader], "prices", "one")
		c.Cut(leader)
		other := conns[(leader+1)%3]
		published(t, other, "prices", "two")
		_, err := bus.OpenReader(t.Context(), conns[leader], bus.ReaderConfig{Stream: bus.RecordsStream("prices"), After: 2})
		if shortened, is := errors.AsType[*bus.ShortenedError](err); err == nil || is {
			t.Errorf("a reader that has read two messages: %v, %v", err, shortened)
		}
		if _, err := bus.Info(t.Context(), conns[leader], bus.RecordsStream("prices")); err == nil {
			t.Error("it tells of a stream that nobody but itself follows")
		}
		c.Join(leader)
		eventually(t, "it says what the others have", func() bool {
			info, err := bus.Info(t.Context(), conns[leader], bus.RecordsStream("prices"))
			return err == nil && info.Last == 2
		})
	})
	t.Run("while all are in, a stream at rest is told of at once", func(t *testing.T) {
		t.Parallel()
		_, conns, _ := clustered(t, "rests")
		published(t, conns[0], "rests", "one")
		began := time.Now()
		for n := 0; time.Since(began) < 5*time.Second; n++ {
			info, err := conns[n%3].Broker.Stream(t.Context(), bus.RecordsStream("rests"))
			if err != nil {
				t.Fatalf("after %s: %v", time.Since(began), err)
			}
			for _, r := range info.Cluster.Replicas {
				if r.Active > 3*time.Second {
					t.Fatal(fmt.Sprint(r.Name, " is not heard for ", r.Active))
				}
			}
		}
	})
}

func TestAReplicaThatHasLostMessagesCallsNoneMissingThatTheLeaderHolds(t *testing.T) {
	t.Parallel()
	const messages = 40 // in more than two of the broker's files
	c, conns, leader := clustered(t, "parts")
	stream, body := bus.RecordsStream("parts"), strings.Repeat("x", 900<<10)
	for range messages {
		published(t, conns[leader], "parts", body)
	}
	damaged := (leader + 1) % 3
	eventually(t, "it holds all of them", func() bool {
		info, err := conns[leader].Broker.Stream(t.Context(), stream)
		return err == nil && info.Cluster.Replicas[0].Lag+info.Cluster.Replicas[1].Lag == 0
	})
	c.Restart(t, damaged, func(dir string) {
		files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", stream, "msgs", "*.blk"))
		if err != nil || len(files) < 3 {
			t.Fatal(len(files), "files", err)
		}
		slices.Sort(files)
		must(t, os.Remove(files[1]))
	})
	eventually(t, "it answers by itself", func() bool { return c.Answers(t, damaged, "$JS.API.DIRECT.GET."+stream) })
	conn := connect(t, c.URL(damaged))
	var all []uint64
	for seq := uint64(1); seq <= messages; seq++ {
		all = append(all, seq)
	}
	for range 20 { // any replica may answer
		got, err := bus.GetMany(t.Context(), conn, stream, all)
		if err != nil || len(got) != messages {
			t.Fatalf("%d of %d messages, %v", len(got), messages, err)
		}
		if _, err := bus.GetMessage(t.Context(), conn, stream, messages/3); err != nil {
			t.Fatal(err)
		}
	}
}
