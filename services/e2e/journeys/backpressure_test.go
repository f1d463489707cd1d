package journeys

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestAFullStreamRefusesThePublisherAndDrains: the org is down for longer than the backlog lasts. The publisher is told; what it was
// not refused is carried when the org is back, and then there is room again.
func TestAFullStreamRefusesThePublisherAndDrains(t *testing.T) {
	inTurn(t)
	dir := quickPipelines(t)
	file := filepath.Join(dir, "accounts.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	small := strings.NewReplacer("rows: 50000", "rows: 400", "bytes: 50MB", "bytes: 500KB", "backlog: 2GiB", "backlog: 1MiB").Replace(string(text))
	if err := os.WriteFile(file, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	s := dev(t, "--pipelines", dir)
	c := s.client(t)
	down := s.org.fault(t, map[string]any{"times": 0, "effect": map[string]any{"kind": "status", "status": 503}})

	const perFrame = 100
	keys := keysOf("b", 100*perFrame)
	padding := strings.Repeat("x", 200)
	next := 0
	publish := func(ctx context.Context) error {
		records := make([]fields, perFrame)
		for i := range records {
			k := keys[next*perFrame+i]
			records[i] = account(k).with("name", k+padding).with("website", "https://"+padding+".example")
		}
		msg := nats.NewMsg("records.accounts")
		msg.Header.Set("Content-Type", "application/x-ndjson")
		msg.Data = framesOf(t, records, perFrame)[0]
		_, err := c.js.PublishMsg(ctx, msg)
		if err == nil {
			next++
		}
		return err
	}
	var refused *jetstream.APIError
	for err = nil; err == nil && next < 99; {
		err = publish(t.Context())
	}
	if !errors.As(err, &refused) {
		t.Fatalf("after %d frames the publisher is told %v, want a refusal of the broker", next, err)
	}
	t.Logf("%d frames were taken, then: %v", next, refused)
	b := s.balance(t, "accounts")
	if b.Balance.Landed != 0 || b.Balance.Dead != 0 {
		t.Errorf("%+v while the org is down", b.Balance)
	}
	// A file waits for room and says so.
	const inFile = 2000
	rows := []string{"id,name"}
	for _, k := range keysOf("f", inFile) {
		rows = append(rows, k+","+k+padding)
	}
	csv := filepath.Join(t.TempDir(), "accounts.csv")
	if err := os.WriteFile(csv, []byte(strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := start(t, "load", csv, "--pipeline", "accounts", "--json", "--ops", s.ops, "--nats", s.natsURL)
	eventually(t, "load says that it waits for room", func(context.Context) (bool, error) {
		return strings.Contains(load.stderr.String(), "the stream is full, waiting for room"), errors.New(load.stderr.String())
	})
	s.org.heal(t, down)
	select {
	case <-load.done:
	case <-time.After(patience):
		t.Fatal("load does not end")
	}
	if code := load.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("load ended with exit code %d:\n%s", code, load.stderr)
	}
	s.settle(t, "accounts", int64(next*perFrame)+inFile)
	eventually(t, "there is room again", func(ctx context.Context) (bool, error) {
		err := publish(ctx)
		return err == nil, err
	})
	b = s.settle(t, "accounts", int64(next*perFrame)+inFile)
	if n := int64(next*perFrame) + inFile; b.Balance != (balance{Accepted: n, Landed: n}) || b.Repeats != 0 {
		t.Errorf("%+v repeats %d, want the %d records that were acknowledged", b.Balance, b.Repeats, n)
	}
	if rows := s.org.rows(t, "Account"); len(rows) != next*perFrame+inFile {
		t.Errorf("the org holds %d accounts, want %d", len(rows), next*perFrame+inFile)
	}
}
