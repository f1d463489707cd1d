package drive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"bulkhead/services/e2e/chaos/internal/history"
	"bulkhead/services/e2e/chaos/internal/load"
)

// Calls of whoever looks after the org.
const (
	orgCall   = 5 * time.Second
	maxAnswer = 16 << 20
	orgAPI    = "/services/data/v66.0/jobs/ingest/"
	orgClient = "bulkhead"
)

// jobOf finds the job that a pause speaks of.
var jobOf = regexp.MustCompile(`job (750[0-9A-Za-z]{12,15})`)

// quarantined gives the job whose results contradict what was sent, if that is what a pause is about. Its message names the way out, which
// only somebody with rights in the org can take: to have Salesforce throw the job away, results and all.
func quarantined(p load.Pause) (job string, yes bool) {
	m := jobOf.FindStringSubmatch(p.Message)
	if m == nil || p.Service != "reconciler" || !strings.Contains(p.Message, "delete the job") {
		return "", false
	}
	return m[1], true
}

// lift does away with the causes of pauses, and lifts them.
func (r *run) lift(ctx context.Context) error {
	return load.Lift(ctx, r.target, r.record, func(ctx context.Context, p load.Pause) error {
		job, yes := quarantined(p)
		if !yes {
			return nil
		}
		err := r.deleteJob(ctx, job)
		text := "deleted job " + job + " as its pause asks for"
		if err != nil {
			text = "job " + job + " is not deleted: " + err.Error()
		}
		r.record(history.Event{At: r.stack.Since(), What: "operator", Target: "org", Text: text, Done: err == nil})
		return err
	})
}

// deleteJob is what somebody does who has rights in the org.
func (r *run) deleteJob(ctx context.Context, job string) error {
	org := strings.TrimSuffix(r.target.ControlURL, "/sim")
	secret, err := os.ReadFile(filepath.Join(r.Dir, "conf", "org-secret"))
	if err != nil {
		return fmt.Errorf("secret of the org: %w", err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {orgClient}, "client_secret": {strings.TrimSpace(string(secret))}}
	answer, err := ask(ctx, http.MethodPost, org+"/services/oauth2/token", "", strings.NewReader(form.Encode()), http.StatusOK)
	if err != nil {
		return err
	}
	var session struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &session); err != nil {
		return fmt.Errorf("sign in to the org: %w", err)
	}
	_, err = ask(ctx, http.MethodDelete, org+orgAPI+job, session.Token, nil, http.StatusNoContent, http.StatusNotFound)
	return err
}

// ask makes one call, with a form (a strings.Reader) or JSON (a bytes.Reader) or without a body, and gives its answer; any other status than those that are wanted is an error.
func ask(ctx context.Context, method, to, token string, body io.Reader, wanted ...int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, orgCall)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	switch body.(type) {
	case *strings.Reader:
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case *bytes.Reader:
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, req.URL.Path, err)
	}
	for _, w := range wanted {
		if res.StatusCode == w {
			return answer, nil
		}
	}
	return nil, fmt.Errorf("%s %s: %s: %.300s", method, req.URL.Path, res.Status, answer)
}
