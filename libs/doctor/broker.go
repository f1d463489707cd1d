package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bulkhead/libs/bus"
)

const (
	broker = "broker"
	// fullFrom is the part of a bound from which there is too little room.
	fullFrom = 0.9
)

// Broker looks at NATS, and at each of its servers whose monitoring address is given.
func Broker(ctx context.Context, conn *bus.Conn, monitors []string) []Check {
	if conn.NC == nil {
		return []Check{unknown(broker, "reachable", "ask a broker of NATS's own", "it is one in memory")}
	}
	if !conn.Connected() {
		return []Check{BrokerAway(errors.New("there is no connection to it"))}
	}
	out := []Check{ok(broker, "reachable", "NATS %s", conn.NC.ConnectedServerVersion()), payload(conn.NC.MaxPayload())}
	asking, cancel := context.WithTimeout(ctx, bus.RequestTimeout)
	defer cancel()
	account, err := conn.JS.AccountInfo(asking)
	if err != nil {
		out = append(out, wrong(broker, "jetstream", "add a jetstream block to the server's configuration, and let our account use it", "%s", oneLine(err)))
	} else {
		out = append(out, ok(broker, "jetstream", "%d streams", account.Streams), room(account))
	}
	holders, err := bus.Holders(ctx, conn)
	if err != nil {
		out = append(out, unknown(broker, "sync", "see that NATS answers", "which servers hold the streams is not known: %s", oneLine(err)))
	}
	return append(out, syncs(ctx, monitors, holders)...)
}

// BrokerAway is the check of a broker that does not answer.
func BrokerAway(err error) Check {
	return wrong(broker, "reachable", "see that NATS runs and that its address and credentials are right", "%s", oneLine(err))
}

// payload: frames of the size that publishers make are taken.
func payload(most int64) Check {
	if most < bus.MaxMessageBytes {
		return wrong(broker, "max_payload", "set max_payload: 1MB in the server's configuration", "%d bytes; %d are needed", most, bus.MaxMessageBytes)
	}
	return ok(broker, "max_payload", "%d bytes", most)
}

// room: the account may store more.
func room(a *jetstream.AccountInfo) Check {
	used, most := a.Store, a.Limits.MaxStore
	switch {
	case most <= 0:
		return ok(broker, "room", "%d bytes are stored; the account has no bound of its own", used)
	case float64(used) > fullFrom*float64(most):
		return wrong(broker, "room", "raise the account's or the server's max_file_store, or look why records are not let go: bulkhead status", "%d of %d bytes are stored", used, most)
	}
	return ok(broker, "room", "%d of %d bytes are stored", used, most)
}

// syncs: what is acknowledged survives a power cut. A client cannot see it; a server tells it at its monitoring address. One of the servers that hold streams of
// which nobody told is unknown: an acknowledgement may rest on it.
func syncs(ctx context.Context, monitors, holders []string) []Check {
	if len(monitors) == 0 {
		return []Check{unknown(broker, "sync", "give ops the servers' monitoring addresses: natsMonitor, or BULKHEAD_NATS_MONITOR (`http: 8222` in a server's configuration opens one)",
			"whether writes are synced before they are acknowledged is told at monitoring addresses alone, and none is given")}
	}
	var out []Check
	told := map[string]bool{}
	for _, address := range monitors {
		m, err := bus.Monitor(ctx, address)
		if err != nil {
			out = append(out, unknown(broker, "sync", "see that the monitoring address is right", "%s", oneLine(err)))
			continue
		}
		told[m.Name] = true
		out = append(out, synced(m))
	}
	for _, name := range holders {
		if !told[name] {
			out = append(out, unknown(broker, "sync", "name its monitoring address too: natsMonitor takes several, with commas",
				"server %s holds streams, and none of the monitoring addresses given is its own", name))
		}
	}
	return out
}

func synced(m bus.Monitored) Check {
	switch {
	case !m.Streams:
		return ok(broker, "sync", "server %s stores nothing", m.Name)
	case m.SyncAlways:
		return ok(broker, "sync", "server %s syncs every write before it acknowledges it", m.Name)
	}
	found := fmt.Sprintf("server %s syncs every %s: a power cut takes away what it acknowledged since", m.Name, m.SyncInterval)
	if m.Unsafe() {
		found += "; it says by its tag that this is wanted"
	}
	return wrong(broker, "sync", "set sync_interval: always in the jetstream block of its configuration, and restart it", "%s", found)
}

// Stream compares a stream with what ops makes of it, and says whether all of its replicas are there.
func Stream(ctx context.Context, conn *bus.Conn, want bus.Wanted) []Check {
	began := time.Now()
	s, err := want.Look(ctx, conn)
	of := "stream " + want.Name()
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return []Check{wrong(of, "settings", "see in the log of ops why it could not make it", "it is not there")}
	}
	if errors.Is(err, bus.ErrNoMajority) {
		return []Check{wrong(of, "replicas", "start the servers that are down: most of the replicas must be there", "nothing can be stored: %s", oneLine(err))}
	}
	if err != nil {
		return []Check{wrong(of, "settings", "see that NATS answers", "%s", oneLine(err))}
	}
	out := standing(of, s)
	if want.Name() == bus.StreamFlow && !s.At.IsZero() {
		took := time.Since(began)
		out = append(out, Skew(broker, s.At.Sub(began.Add(took/2)), took/2)) // the broker's clock, told once
	}
	return out
}

func standing(of string, s bus.Standing) []Check {
	var out []Check
	if len(s.Differences) > 0 {
		for _, d := range s.Differences {
			out = append(out, wrong(of, "settings", "ops puts it right at its next pass; where it cannot, its log says why", "%s", d))
		}
	} else {
		out = append(out, ok(of, "settings", "as ops makes it; it holds %d messages", s.Messages))
	}
	switch {
	case len(s.Behind) > 0:
		out = append(out, wrong(of, "replicas", "start the servers that are down, and wait until they have caught up", "away or behind: %v", s.Behind))
	case s.Clustered:
		out = append(out, ok(of, "replicas", "all of them have everything"))
	}
	if of == "stream "+bus.StreamDLQ && s.MaxBytes > 0 && float64(s.Bytes) > fullFrom*float64(s.MaxBytes) {
		out = append(out, wrong(of, "room", "replay or discard letters (bulkhead dlq ls): a full stream takes none, and they wait in the ledger", "%d of %d bytes", s.Bytes, s.MaxBytes))
	}
	return out
}
