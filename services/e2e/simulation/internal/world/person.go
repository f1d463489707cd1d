package world

import (
	"bufio"
	"bytes"
	_ "embed" // the queries
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bulkhead/services/e2e/chaos/trial"
	extractor "bulkhead/services/extractor/app"
)

// MadeAgain is a fault of simulations alone: when nothing moves, the RECORDS stream of a pipeline is deleted, and when it was made again a
// person lets the pipeline go on. Nothing is lost by it, because all that it held was decided.
const MadeAgain trial.FaultKind = "stream_made_again"

// Reread is a fault of simulations alone: every stream is ordered to be read again. It comes before the operators, since a record that a person has
// discarded is a record again when it is read again.
const Reread trial.FaultKind = "reread"

//go:embed unread.sql
var unreadSQL string

//go:embed stopped.sql
var stoppedSQL string

// JobsForgotten is a fault of simulations alone: somebody deletes jobs in the org that the poller saw end, as long as nobody has read their results.
const JobsForgotten trial.FaultKind = "jobs_forgotten"

// mostForgotten bounds the jobs that are deleted: those after them have their results.
const mostForgotten = 6

// forgetJobs is [JobsForgotten].
func (w *World) forgetJobs(f trial.Fault) error {
	done := map[string]bool{}
	for end := time.Now().Add(ms(f.For)); time.Now().Before(end) && len(done) < mostForgotten; {
		rows, err := w.db.Query(w.ctx, unreadSQL)
		if err != nil {
			return err
		}
		for rows.Next() {
			var job string
			if err := rows.Scan(&job); err != nil {
				return err
			}
			if !done[job] {
				done[job] = true
				if err := w.deleteJob(job); err != nil {
					return err
				}
			}
		}
		if err := rows.Err(); err != nil || !sleep(w.ctx, 50*time.Millisecond) {
			return err
		}
	}
	return nil
}

// person does what needs one: has jobs deleted whose results contradict what was sent, lifts pauses, and decides about what is unresolved.
func (w *World) person() {
	// The cause first: what is lifted before is paused again.
	if err := errors.Join(w.throwAway(), trial.Resume(w.ctx, w.Target(), w.note), w.decide()); err != nil {
		w.note(trial.Event{What: "note", Text: "person: " + err.Error()})
	}
}

// decide says of unresolved records that they have not landed, where the org's own account of their jobs is that it touched none of the rows.
func (w *World) decide() error {
	var page struct {
		Letters []struct{ ID, Pipeline string } `json:"dead_letters"`
	}
	if err := w.anyOps("/v1/dead-letters?class=unresolved&page_size=1000", &page); err != nil || len(page.Letters) == 0 {
		return err
	}
	w.letters.look(w)
	jobs := map[string]string{}
	w.letters.mu.Lock()
	for _, l := range w.letters.all {
		for _, a := range l.Attempts {
			jobs[l.ID] = a.Job // the last one is what is not known of
		}
	}
	w.letters.mu.Unlock()
	var ids []string
	for _, l := range page.Letters {
		if untouched, err := w.untouched(jobs[l.ID]); err != nil {
			return err
		} else if untouched {
			ids = append(ids, l.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	body, err := json.Marshal(map[string]any{
		"ids": ids, "decision": "not_landed", "reason": "the org never touched the job's rows", "by": "ada", "idempotency_key": fmt.Sprintf("decide-%.0f", w.Since()),
	})
	if err != nil {
		return err
	}
	status, answer, err := w.Ask(http.MethodPost, w.Ops(1), "/v1/dead-letters:resolve", body)
	w.note(trial.Event{What: "operator", Target: "ops-1", Text: fmt.Sprintf("resolve: %d %s %v", status, answer, err), Done: status == http.StatusOK, Order: "resolve", Letters: ids})
	return nil
}

// reread orders every stream to be read again from its first message, through each instance of ops under one key: once. What the ledger knows
// stays as it is, so nothing may come of it.
func (w *World) reread() error {
	at := w.Since()
	for _, p := range w.pipelines {
		body, err := json.Marshal(map[string]any{"from_seq": 1, "reason": "rows were restored", "by": "ada", "idempotency_key": fmt.Sprintf("reread-%s-%.0f", p.Name, at)})
		if err != nil {
			return err
		}
		for n := range w.o.Instances {
			status, answer, err := w.Ask(http.MethodPost, w.Ops(n+1), "/v1/pipelines/"+p.Name+":reread", body)
			w.note(trial.Event{What: "operator", Target: fmt.Sprintf("ops-%d", n+1), Text: fmt.Sprintf("reread %s: %d %.200s %v", p.Name, status, answer, err), Done: status == http.StatusOK})
		}
	}
	return nil
}

// untouched says whether the org did nothing with any row of a job.
func (w *World) untouched(job string) (bool, error) {
	if job == "" {
		return false, nil
	}
	status, answer, err := w.Ask(http.MethodGet, orgHost, "/sim/jobs/"+job+"/rows", nil)
	if err != nil || status != http.StatusOK {
		return false, err
	}
	lines := bufio.NewScanner(bytes.NewReader(answer))
	for lines.Scan() {
		var row struct{ Outcome string }
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return false, err
		}
		if row.Outcome != "unprocessed" {
			return false, nil
		}
	}
	return true, lines.Err()
}

// makeAgain is [MadeAgain].
func (w *World) makeAgain(stream string) error {
	for end := time.Now().Add(time.Minute); ; {
		if moving, err := w.Moving(); err == nil && len(moving) == 0 {
			break
		}
		if time.Now().After(end) || !sleep(w.ctx, look) {
			return errors.New("there was no moment in which nothing moved")
		}
	}
	admin := w.broker.As("person")
	info, err := admin.Stream(w.ctx, stream)
	if err != nil {
		return err
	}
	w.broker.Forget(stream)
	again := info.Config
	again.FirstSeq = info.State.LastSeq + 1 // so that new records stand behind old ones
	if err := admin.CreateStream(w.ctx, again); err != nil {
		return err
	}
	pipeline := strings.TrimPrefix(stream, "RECORDS_")
	var last error
	for range 60 {
		if !sleep(w.ctx, 500*time.Millisecond) {
			return w.ctx.Err()
		}
		var stopped bool
		if err := w.db.QueryRow(w.ctx, stoppedSQL, pipeline).Scan(&stopped); err != nil || !stopped {
			last = errors.Join(err, fmt.Errorf("%s has not stopped", pipeline))
			continue
		}
		if last = w.tool("extractor", func(l *life) error {
			c := extractor.DefaultConfig()
			c.Footing = l.footing()
			return extractor.Resume(l.ctx, c, l.slot.env(), pipeline)
		}); last == nil {
			return nil
		}
	}
	return last
}

// tool runs a command of a service as a process of its own, which may be killed as one.
func (w *World) tool(service string, run func(*life) error) error {
	for _, s := range w.tools {
		if s.service != service {
			continue
		}
		l, stop := s.born()
		defer stop()
		err := run(l)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.dead {
			return errKilled
		}
		return err
	}
	return fmt.Errorf("no tool of %s is known", service)
}
