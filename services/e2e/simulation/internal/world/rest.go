package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/services/e2e/chaos/trial"
	orgsim "bulkhead/services/orgsim/app"
)

const (
	// look is the time from one look for rest to the next.
	look = 400 * time.Millisecond
	// maxLook is that time when rest is a matter of hours.
	maxLook = 2 * time.Minute
	// lift is the number of looks from one lifting of pauses to the next.
	lift = 5
)

// Calm waits until nothing moves any more, with an operator who lifts what is paused and, at the end, replays what only waited for something
// else. Not to rest within the bound is for the judge.
func (w *World) Calm(bound time.Duration) {
	w.note(trial.Event{What: "phase", Text: "rest"})
	end := time.Now().Add(bound)
	waiting := w.rest(end)
	if waiting == "" {
		if err := trial.Heals(w.ctx, w.Target(), w.note); err != nil {
			w.note(trial.Event{What: "note", Text: "heals: " + err.Error()})
		}
		waiting = w.rest(end)
	}
	w.run.Run.Rested, w.run.Run.Waiting = waiting == "", waiting
}

// rest waits for rest, and says what is waited for when it does not come.
func (w *World) rest(end time.Time) string {
	for n, began := 0, time.Now(); ; n++ {
		if n%lift == 0 {
			w.person()
		}
		waiting, err := w.Moving()
		if err == nil && len(waiting) == 0 {
			return ""
		}
		if time.Now().After(end) || !sleep(w.ctx, max(look, min(time.Since(began)/30, maxLook))) {
			if err != nil {
				waiting = append(waiting, err.Error())
			}
			return strings.Join(waiting, "; ")
		}
	}
}

// Moving says what is not at rest: of the ledger, the balance, the stream of letters, and the org. The later ones are not asked when an earlier one moves.
func (w *World) Moving() ([]string, error) {
	var out []string
	rows, err := w.db.Query(w.ctx, trial.RestSQL())
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var what string
		var n int64
		if err := rows.Scan(&what, &n); err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("%d %s", n, what))
	}
	if err := rows.Err(); err != nil || out != nil {
		return out, err
	}
	balances, err := w.Balances()
	if err != nil {
		return nil, err
	}
	for _, p := range w.pipelines {
		b, known := balances[p.Name]
		if !known || b.Unread != 0 || b.InFlight != 0 || b.Retrying != 0 || b.WaitingForParent != 0 {
			out = append(out, fmt.Sprintf("%s: %+v", p.Name, b))
		}
	}
	if out != nil {
		return out, nil
	}
	if out, err = w.openItems(); err != nil || out != nil {
		return out, err
	}
	var read, last int64
	if err := w.db.QueryRow(w.ctx, trial.LettersSQL()).Scan(&read); err != nil {
		return nil, err
	}
	if info, err := w.broker.As("admin").Stream(w.ctx, bus.StreamDLQ); err != nil {
		return nil, err
	} else if last = int64(info.State.LastSeq); read != last { //nolint:gosec // a world has few messages
		return []string{fmt.Sprintf("ops to read letters up to %d, it has read up to %d", last, read)}, nil
	}
	jobs, err := w.Jobs()
	for _, j := range jobs {
		if !j.Finished() {
			out = append(out, fmt.Sprintf("job %s, which is %s", j.ID, j.State))
		}
	}
	return out, err
}

// openItems are those of the API's open items that no person is waited for.
func (w *World) openItems() ([]string, error) {
	var status struct {
		Items []struct{ Owner, Kind, Pipeline, Note string } `json:"open_items"`
	}
	if err := w.anyOps("/v1/status", &status); err != nil {
		return nil, err
	}
	var out []string
	for _, i := range status.Items {
		if i.Owner != "a person" {
			out = append(out, fmt.Sprintf("%s of %s: %s", i.Kind, i.Pipeline, i.Note))
		}
	}
	return out, nil
}

// Job is one of the org's.
type Job struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	Operation string `json:"operation"`
	Gone      string `json:"gone"`
	Processed int64  `json:"processed"`
}

// Finished says whether nothing becomes of it any more.
func (j Job) Finished() bool {
	return j.Gone != "" || j.State == "JobComplete" || j.State == "Failed" || j.State == "Aborted"
}

// Jobs are all that the org was ever asked to make.
func (w *World) Jobs() (jobs []Job, err error) {
	err = w.Get(orgHost, "/sim/jobs", &jobs)
	return jobs, err
}

// Balances are those of all pipelines, by any instance of ops that answers.
func (w *World) Balances() (map[string]trial.Balance, error) {
	var answer struct {
		Pipelines map[string]struct {
			Balance trial.Balance `json:"balance"`
			Repeats int64         `json:"repeats"`
			Unread  struct {
				Messages int64 `json:"messages"`
			} `json:"unread"`
		} `json:"pipelines"`
	}
	if err := w.anyOps("/v1/balance", &answer); err != nil {
		return nil, err
	}
	out := map[string]trial.Balance{}
	for name, p := range answer.Pipelines {
		b := p.Balance
		b.Repeats, b.Unread = p.Repeats, p.Unread.Messages
		out[name] = b
	}
	return out, nil
}

func (w *World) anyOps(path string, into any) error {
	var errs []error
	for n := range w.o.Instances {
		err := w.Get(w.Ops(n+1), path, into)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// jobOf finds the job that a pause speaks of.
var jobOf = regexp.MustCompile(`job (750[0-9A-Za-z]{12,15})`)

// throwAway does what pauses ask for whose jobs' results contradict what was sent: somebody with rights in the org deletes the job.
func (w *World) throwAway() error {
	var status struct {
		Pipelines []struct {
			Pauses []struct{ Service, Message string }
		}
	}
	if err := w.anyOps("/v1/status", &status); err != nil {
		return err
	}
	for _, p := range status.Pipelines {
		for _, x := range p.Pauses {
			if m := jobOf.FindStringSubmatch(x.Message); m != nil && x.Service == "reconciler" && strings.Contains(x.Message, "delete the job") {
				if err := w.deleteJob(m[1]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w *World) deleteJob(id string) error {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {orgsim.DefaultClientID}, "client_secret": {orgsim.DefaultClientSecret}}
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, "http://"+orgHost+"/services/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := w.web().RoundTrip(req)
	if err != nil {
		return err
	}
	var session struct {
		Token string `json:"access_token"`
	}
	err = json.NewDecoder(res.Body).Decode(&session)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return fmt.Errorf("sign in to the org: %w", err)
	}
	if req, err = http.NewRequestWithContext(w.ctx, http.MethodDelete, "http://"+orgHost+"/services/data/v66.0/jobs/ingest/"+id, http.NoBody); err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+session.Token)
	if res, err = w.web().RoundTrip(req); err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	w.note(trial.Event{What: "operator", Target: "org", Text: "deleted job " + id + " as its pause asks for: " + res.Status, Done: res.StatusCode == http.StatusNoContent})
	return nil
}
