package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxVarz bounds what the broker says of itself.
const maxVarz = 4 << 20

// safe asks PostgreSQL and the broker themselves whether what they acknowledge is on disk: a figure of a run without that would say nothing.
func (r *run) safe(ctx context.Context) error {
	settings, err := r.ledger.safety(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		if settings[name] != "on" {
			return fmt.Errorf("PostgreSQL runs with %s = %q: nothing is measured without it", name, settings[name])
		}
	}
	weakened, err := r.ledger.count(ctx, "weakened")
	if err != nil {
		return err
	}
	if weakened > 0 {
		return fmt.Errorf("%d tables are unlogged, or roles or databases have settings of their own for fsync, synchronous_commit or full_page_writes", weakened)
	}
	for _, monitor := range r.parts.Monitors {
		always, err := syncs(ctx, monitor)
		if err != nil {
			return fmt.Errorf("broker: %w", err)
		}
		if !always {
			return errors.New("the broker does not run with sync_interval: always: nothing is measured without it")
		}
	}
	return nil
}

// syncs asks the broker whether every write is on disk before it is acknowledged.
func syncs(ctx context.Context, monitor string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, monitor+"varz", nil)
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxVarz))
	if err != nil {
		return false, err
	}
	if resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("its monitor answers %s: %s", resp.Status, strings.TrimSpace(string(text[:min(len(text), 200)])))
	}
	return alwaysSyncs(text)
}

// alwaysSyncs reads the answer.
func alwaysSyncs(varz []byte) (bool, error) {
	var said struct {
		JetStream struct {
			Config *struct {
				Always bool `json:"sync_always"`
			} `json:"config"`
		} `json:"jetstream"`
	}
	if err := json.Unmarshal(varz, &said); err != nil {
		return false, fmt.Errorf("its monitor: %w", err)
	}
	if said.JetStream.Config == nil {
		return false, errors.New("its monitor does not tell of streams")
	}
	return said.JetStream.Config.Always, nil
}
