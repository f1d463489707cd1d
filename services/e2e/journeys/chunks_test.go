package journeys

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAKillCostsAtMostTheChunkInHand kills the stack in uploads, which are the only work on a chunk that is lost with its process. Everything else is found in
// the ledger: no row is sent to the org twice, and for each lane no more than the chunks in hand, its head and the one ahead, are uploaded again.
func TestAKillCostsAtMostTheChunkInHand(t *testing.T) {
	inTurn(t)
	const perChunk, total, kills = 100, 1000, 3
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(shipped, "contacts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	small := strings.NewReplacer("rows: 50000", "rows: "+itoa(int64(perChunk)), "lanes: 2", "lanes: 1").Replace(string(text)) + byJobs
	if err := os.WriteFile(filepath.Join(dir, "contacts.yaml"), []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	address, org := simulator(t)
	data := dataDir(t)
	up := func() *stack { return dev(t, "--data", data, "--sim", address, "--pipelines", dir) }
	s := up()
	records, want := make([]fields, total), map[string]bool{}
	for i, k := range keysOf("c", total) {
		records[i], want[k] = contact(k), true
	}
	frames := framesOf(t, records, 250)
	p := newStubborn(t, s.natsURL, "records.contacts")
	go func() {
		defer close(p.feed)
		for _, f := range frames {
			select {
			case p.feed <- f:
			case <-p.done:
				return
			}
		}
	}()
	for n := range kills {
		mark := org.lastCall(t)
		// The upload is whole at the org, and nobody learns of it.
		rule := org.fault(t, map[string]any{
			"match": map[string]any{"endpoint": "upload", "after": n}, "times": 0, "effect": map[string]any{"kind": "latency", "when": "after", "duration": "20s"},
		})
		eventually(t, "an upload hangs", func(ctx context.Context) (bool, error) {
			calls, err := org.calls(ctx, mark, "upload", "", "10s")
			for _, c := range calls {
				if !c.Done && org.hits(t, rule) > 0 {
					return true, nil
				}
			}
			return false, err
		})
		s.kill()
		org.heal(t, rule)
		s = up()
		p.moveTo(s.natsURL)
	}
	b := s.settle(t, "contacts", total)
	if want := (balance{Accepted: total, Landed: total}); b.Balance != want {
		t.Errorf("%+v, want %+v", b.Balance, want)
	}

	uploaded, closed := 0, map[string]int{}
	for _, j := range org.jobs(t) {
		keys := uploadedKeys(t, org, j.ID)
		if len(keys) > perChunk {
			t.Errorf("job %s was sent %d rows, a chunk has %d", j.ID, len(keys), perChunk)
		}
		uploaded += len(keys)
		for _, k := range keys {
			if j.Closed {
				closed[k]++
			}
		}
	}
	again := uploaded - total
	t.Logf("%d rows were uploaded again after %d kills, in chunks of %d", again, kills, perChunk)
	if again <= 0 || again > kills*2*perChunk {
		t.Errorf("%d rows were uploaded again after %d kills: at least one, and at most two chunks of %d each time", again, kills, perChunk)
	}
	for k := range want {
		if closed[k] != 1 {
			t.Errorf("%s was sent to the org %d times", k, closed[k])
		}
	}
	if len(closed) != total {
		t.Errorf("%d keys were sent, %d published", len(closed), total)
	}
}

// uploadedKeys are the external ids in a job's upload; none where it had none.
func uploadedKeys(t *testing.T, o org, id string) (keys []string) {
	t.Helper()
	resp, err := send(t.Context(), http.MethodGet, o.url+"/jobs/"+id+"/upload", nil)
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table[min(1, len(table)):] {
		keys = append(keys, row[0])
	}
	return keys
}
