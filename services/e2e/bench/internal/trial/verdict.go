package trial

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
	"bulkhead/services/e2e/bench/internal/parts"
	"bulkhead/services/e2e/bench/internal/people"
)

const (
	// restFor is how long the balance may take to say what the ledger's rows said.
	restFor = 2 * time.Minute
	// sampled is how many rows of the org are compared with what was published.
	sampled = 64
	// maxBalance bounds an answer of ops.
	maxBalance = 1 << 20
)

// balance asks ops, as an operator does.
func balance(ctx context.Context, p *parts.Parts) (*opsv1.GetBalanceResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.OpsURL+"/v1/balance", nil)
	if err != nil {
		return nil, fmt.Errorf("balance: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("balance: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBalance))
	if err != nil {
		return nil, fmt.Errorf("balance: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("balance: ops answers %s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	out := &opsv1.GetBalanceResponse{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("balance: %w", err)
	}
	return out, nil
}

// complaint says what keeps a balance from being that of n records that have all landed; "" = nothing.
func complaint(b *opsv1.GetBalanceResponse, n int64) string {
	want := &opsv1.Balance{Accepted: n, Landed: n}
	switch {
	case !b.GetAddsUp():
		return fmt.Sprintf("the balance does not add up: %v", b.GetBalance())
	case !proto.Equal(b.GetBalance(), want):
		return fmt.Sprintf("the balance says %v, not %v", b.GetBalance(), want)
	case b.GetRepeats() != 0:
		return fmt.Sprintf("%d records were repeats", b.GetRepeats())
	case b.GetUnread().GetMessages() != 0:
		return fmt.Sprintf("%d messages are unread", b.GetUnread().GetMessages())
	}
	return ""
}

// judge compares ledger and org with what was published.
func judge(ctx context.Context, p *parts.Parts, n int64) error {
	if err := balanced(ctx, p, n); err != nil {
		return fmt.Errorf("verdict: %w", err)
	}
	rows, err := p.Org.Rows(ctx, people.Object)
	if err != nil {
		return err
	}
	if rows != n {
		return fmt.Errorf("verdict: %d records were published, the org holds %d", n, rows)
	}
	if err := once(ctx, p, n); err != nil {
		return fmt.Errorf("verdict: %w", err)
	}
	for k := range min(n, sampled) {
		if err := compare(ctx, p, k*(n-1)/max(1, min(n, sampled)-1)); err != nil {
			return fmt.Errorf("verdict: %w", err)
		}
	}
	return nil
}

// balanced waits for the balance to say that all have landed; when it does not in time, what it says is the error.
func balanced(ctx context.Context, p *parts.Parts, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, restFor)
	defer cancel()
	for {
		b, err := balance(ctx, p)
		if err == nil {
			said := complaint(b, n)
			if said == "" {
				return nil
			}
			err = errors.New(said)
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return err
		}
	}
}

// once compares what the org did with what its rules wanted: each row is saved once, and sent as often as it was refused and once more.
func once(ctx context.Context, p *parts.Parts, n int64) error {
	worked, err := p.Org.Worked(ctx)
	if err != nil {
		return err
	}
	refusals, err := p.Org.Hits(ctx)
	if err != nil {
		return err
	}
	if worked.Saved != n || worked.Refused != refusals {
		return fmt.Errorf("of %d records the org saved %d and refused %d; its rules wanted %d refusals", n, worked.Saved, worked.Refused, refusals)
	}
	return nil
}

// compare looks one record up in the org.
func compare(ctx context.Context, p *parts.Parts, i int64) error {
	got, ok, err := p.Org.Record(ctx, people.Object, people.Key(i))
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the org does not hold %s", people.Key(i))
	}
	rows, err := csv.NewReader(strings.NewReader(people.Header + string(people.AppendCSV(nil, i)))).ReadAll()
	if err != nil {
		return err
	}
	for n, column := range rows[0] {
		if got.Fields[column] != rows[1][n] {
			return fmt.Errorf("%s of %s is %q in the org, %q was published", column, people.Key(i), got.Fields[column], rows[1][n])
		}
	}
	return nil
}
