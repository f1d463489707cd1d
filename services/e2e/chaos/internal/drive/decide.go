package drive

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"bulkhead/services/e2e/chaos/internal/history"
)

// ordersAtOnce bounds the decisions that are ordered side by side.
const ordersAtOnce = 8

// unresolvedLetter is a record of which nobody can say whether it landed, as ops tells of it.
type unresolvedLetter struct {
	ID       string            `json:"id"`
	Pipeline string            `json:"pipeline"`
	Row      map[string]string `json:"row"`
	Attempts []struct {
		Job string `json:"job_id"`
	} `json:"attempts"`
}

// sentRow is a row of a job as only the org knows it.
type sentRow struct {
	Cells map[string]string `json:"-"`
	ID    string            `json:"id"`
	// Outcome is created where the row is in the org.
	Outcome string `json:"outcome"`
}

// sentRows puts what was uploaded to a job beside what became of it.
func sentRows(upload, rows []byte) ([]sentRow, error) {
	sheet, err := csv.NewReader(bytes.NewReader(upload)).ReadAll()
	if err != nil {
		return nil, err
	}
	var out []sentRow
	for row, err := range history.Lines[sentRow](bytes.NewReader(rows)) {
		if err != nil {
			return nil, err
		}
		if len(out)+1 >= len(sheet) {
			return nil, fmt.Errorf("the org tells of more rows than the %d that were uploaded", max(0, len(sheet)-1))
		}
		row.Cells = map[string]string{}
		for i, name := range sheet[0] {
			row.Cells[name] = sheet[len(out)+1][i] // a reader of CSV gives lines of one length
		}
		out = append(out, row)
	}
	return out, nil
}

// decision is what a person says of a letter.
type decision struct {
	letter string
	row    string // the org's row; "" = it has not landed
}

// decisions say what the org knows of letters whose rows were sent in one job. Rows that hold the same are told from each other by nothing:
// where not all of them are in doubt nobody can say which are, and nothing is decided.
func decisions(letters []unresolvedLetter, rows []sentRow) []decision {
	doubts, sent := map[string][]string{}, map[string][]sentRow{}
	for _, l := range letters {
		doubts[sameness(l.Row)] = append(doubts[sameness(l.Row)], l.ID)
	}
	for _, r := range rows {
		sent[sameness(r.Cells)] = append(sent[sameness(r.Cells)], r)
	}
	var out []decision
	for _, s := range slices.Sorted(maps.Keys(doubts)) {
		if len(doubts[s]) != len(sent[s]) {
			continue
		}
		for i, r := range sent[s] {
			d := decision{letter: doubts[s][i]}
			if r.Outcome == "created" {
				d.row = r.ID
			}
			out = append(out, d)
		}
	}
	return out
}

// sameness is equal for rows that hold the same; what is empty is not held.
func sameness(cells map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(cells)) {
		if cells[name] != "" {
			fmt.Fprintf(&b, "%q=%q;", name, cells[name])
		}
	}
	return b.String()
}

// decide is a person who looks up in the org what became of unresolved records, and says so.
func (r *run) decide(ctx context.Context) error {
	var errs []error
	for _, ops := range r.target.OpsURLs {
		letters, err := r.unresolved(ctx, ops)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		return r.decideAll(ctx, ops, letters)
	}
	return errors.Join(errs...)
}

// unresolved are the open letters that wait for a decision, with their rows.
func (r *run) unresolved(ctx context.Context, ops string) ([]unresolvedLetter, error) {
	answer, err := ask(ctx, http.MethodGet, ops+"/v1/dead-letters?class=unresolved&page_size=1000", r.target.Token, nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var page struct {
		Letters []struct{ ID string } `json:"dead_letters"`
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return nil, fmt.Errorf("unresolved letters: %w", err)
	}
	var out []unresolvedLetter
	for _, l := range page.Letters {
		answer, err := ask(ctx, http.MethodGet, ops+"/v1/dead-letters/"+l.ID, r.target.Token, nil, http.StatusOK)
		if err != nil {
			return nil, err
		}
		var one struct {
			Letter unresolvedLetter `json:"dead_letter"`
		}
		if err := json.Unmarshal(answer, &one); err != nil {
			return nil, fmt.Errorf("unresolved letter: %w", err)
		}
		if len(one.Letter.Attempts) > 0 {
			out = append(out, one.Letter)
		}
	}
	return out, nil
}

func (r *run) decideAll(ctx context.Context, ops string, letters []unresolvedLetter) error {
	byJob := map[string][]unresolvedLetter{}
	for _, l := range letters {
		job := l.Attempts[len(l.Attempts)-1].Job
		byJob[job] = append(byJob[job], l)
	}
	for _, job := range slices.Sorted(maps.Keys(byJob)) {
		upload, err := ask(ctx, http.MethodGet, r.target.ControlURL+"/jobs/"+job+"/upload", "", nil, http.StatusOK)
		if err != nil {
			return err
		}
		said, err := ask(ctx, http.MethodGet, r.target.ControlURL+"/jobs/"+job+"/rows", "", nil, http.StatusOK)
		if err != nil {
			return err
		}
		rows, err := sentRows(upload, said)
		if err != nil {
			return fmt.Errorf("rows of job %s: %w", job, err)
		}
		if err := r.resolveAll(ctx, ops, job, decisions(byJob[job], rows)); err != nil {
			return err
		}
	}
	return nil
}

// resolveAll orders what was decided: what has not landed in one order, what has landed by an order each, because it names its row. Some are
// given at once: dozens behind each other would make a storm as long as a person's patience.
func (r *run) resolveAll(ctx context.Context, ops, job string, all []decision) error {
	orders, ctx := errgroup.WithContext(ctx)
	orders.SetLimit(ordersAtOnce)
	var not []string
	for _, d := range all {
		if d.row == "" {
			not = append(not, d.letter)
			continue
		}
		orders.Go(func() error { return r.resolve(ctx, ops, job, []string{d.letter}, d.row) })
	}
	if not != nil {
		orders.Go(func() error { return r.resolve(ctx, ops, job, not, "") })
	}
	return orders.Wait()
}

func (r *run) resolve(ctx context.Context, ops, job string, letters []string, row string) error {
	in := map[string]any{
		"ids": letters, "decision": "not_landed", "reason": "chaos: the org does not hold it", "by": "ada",
		"idempotency_key": fmt.Sprintf("decide-%s-%d", letters[0], len(letters)),
	}
	if row != "" {
		in["decision"], in["salesforce_id"], in["reason"] = "landed", row, "chaos: the org holds it"
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := ask(ctx, http.MethodPost, ops+"/v1/dead-letters:resolve", r.target.Token, bytes.NewReader(body), http.StatusOK)
	text := fmt.Sprintf("%d letters of records sent in job %s: %s %s: %s", len(letters), job, in["decision"], row, bytes.TrimSpace(answer))
	if err != nil {
		text += err.Error() // a refusal is an answer too
	}
	r.record(history.Event{At: r.stack.Since(), What: "operator", Target: "ops", Text: text, Done: err == nil, Order: "resolve", Letters: letters})
	return nil
}
