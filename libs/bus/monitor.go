package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// maxVarz bounds what a server says of itself.
	maxVarz = 4 << 20
	// unsafeTag is the tag of a server whose losses are wanted; tags are lower case.
	unsafeTag = "bulkhead.durability:unsafe"
)

// ErrUnsafe says that the broker acknowledges before it has synced, and nobody asked for that by name.
var ErrUnsafe = errors.New("the broker could lose what it acknowledges")

// Monitored is what a server tells at its monitoring address (`http:` in its configuration). A client is told none of it.
type Monitored struct {
	Name, Version string
	// Streams: JetStream is on. SyncAlways: every write is synced before it is acknowledged; else that is done each SyncInterval.
	Streams, SyncAlways bool
	SyncInterval        time.Duration
	// Tags are those of its configuration (`server_tags`).
	Tags []string
}

// CheckMonitors says what is wrong with monitoring addresses, which may be a list with commas; "" = none. The error repeats no password.
func CheckMonitors(list string) error {
	for _, one := range Monitors(list) {
		u, err := url.Parse(one)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("a monitoring address of the broker looks like http://host:8222")
		}
	}
	return nil
}

// Monitors are the addresses of a list with commas, one for each server; none of an empty one.
func Monitors(list string) []string {
	var out []string
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one != "" {
			out = append(out, strings.TrimRight(one, "/"))
		}
	}
	return out
}

// Monitor asks a server at its monitoring address.
func Monitor(ctx context.Context, address string) (m Monitored, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/varz", nil)
	if err != nil {
		return m, errors.New("a monitoring address of the broker looks like http://host:8222") // the library's would repeat it
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return m, fmt.Errorf("monitor of the broker: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxVarz))
	if err != nil {
		return m, fmt.Errorf("monitor of the broker: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return m, fmt.Errorf("monitor of the broker: it answers %s", resp.Status)
	}
	return readMonitored(text)
}

// readMonitored reads /varz.
func readMonitored(text []byte) (Monitored, error) {
	var said struct {
		ID        string   `json:"server_id"`
		Name      string   `json:"server_name"`
		Version   string   `json:"version"`
		Tags      []string `json:"tags"`
		JetStream struct {
			Config *struct {
				Always   bool          `json:"sync_always"`
				Interval time.Duration `json:"sync_interval"`
			} `json:"config"`
		} `json:"jetstream"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return Monitored{}, fmt.Errorf("monitor of the broker: %w", err)
	}
	if said.ID == "" {
		return Monitored{}, errors.New("monitor of the broker: what answers is no NATS server")
	}
	m := Monitored{Name: said.Name, Version: said.Version, Tags: said.Tags}
	if c := said.JetStream.Config; c != nil {
		m.Streams, m.SyncAlways, m.SyncInterval = true, c.Always, c.Interval
	}
	return m, nil
}

// Unsafe says whether the loss of acknowledged messages was asked for by name, at the server whose setting it is.
func (m Monitored) Unsafe() bool { return slices.Contains(m.Tags, unsafeTag) }

// Check refuses a server that acknowledges before it has synced, unless that is asked for by name. The error wraps ErrUnsafe and says what to do.
func (m Monitored) Check() error {
	if !m.Streams || m.SyncAlways || m.Unsafe() {
		return nil
	}
	return fmt.Errorf("%w: server %s syncs every %s, and a power cut may take away what it acknowledged since; set sync_interval: always in its "+
		"jetstream block, or ask for the loss by name: server_tags: [%q]", ErrUnsafe, m.Name, m.SyncInterval, unsafeTag)
}
