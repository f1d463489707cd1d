package salesforce

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestEveryCallEndsThoughTheOrgHangs: whoever forgets a context still comes back.
func TestEveryCallEndsThoughTheOrgHangs(t *testing.T) {
	const soon = 50 * time.Millisecond
	calls := map[string]func(context.Context, *Client) error{
		"create": func(ctx context.Context, c *Client) error {
			_, err := c.CreateJob(ctx, JobSpec{Object: "Contact", Operation: OperationUpsert, ExternalIDField: "K__c"})
			return err
		},
		"close":    func(ctx context.Context, c *Client) error { _, err := c.CloseJob(ctx, testJob); return err },
		"abort":    func(ctx context.Context, c *Client) error { _, err := c.AbortJob(ctx, testJob); return err },
		"info":     func(ctx context.Context, c *Client) error { _, err := c.Job(ctx, testJob); return err },
		"list":     func(ctx context.Context, c *Client) error { _, err := c.Jobs(ctx, ""); return err },
		"describe": func(ctx context.Context, c *Client) error { _, err := c.Describe(ctx, "Contact"); return err },
		"limits":   func(ctx context.Context, c *Client) error { _, err := c.Limits(ctx); return err },
		"count": func(ctx context.Context, c *Client) error {
			_, err := c.Count(ctx, "SELECT COUNT() FROM Contact")
			return err
		},
		"query": func(ctx context.Context, c *Client) error {
			_, err := c.QueryFirst(ctx, "SELECT Id FROM Contact")
			return err
		},
		"upload": func(ctx context.Context, c *Client) error {
			return c.Upload(ctx, testJob, 4, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("A\n1\n")), nil })
		},
	}
	for _, kind := range []ResultKind{Successful, Failed, Unprocessed} {
		calls["results "+kind.String()] = func(ctx context.Context, c *Client) error {
			r, err := c.Results(ctx, testJob, kind)
			if err == nil {
				err = r.Close()
			}
			return err
		}
	}
	quick := func(cfg *Config) {
		cfg.Timeouts, cfg.Retry.Tries = Timeouts{Call: soon, Login: soon, Upload: soon, Idle: soon}, 2
	}
	ends := func(t *testing.T, c *Client, call func(context.Context, *Client) error) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- call(context.WithoutCancel(t.Context()), c) }()
		select {
		case err := <-done:
			if err == nil || Definite(err) || errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it hangs with the org")
		}
	}
	for name, call := range calls {
		t.Run(name+" ends when the answer never comes", func(t *testing.T) {
			release := make(chan struct{})
			o := newScriptedOrg(t, func(int, http.ResponseWriter, *http.Request) { <-release })
			defer close(release)
			ends(t, o.client(quick), call)
		})
	}
	t.Run("a login ends when the answer never comes, whatever was to be called", func(t *testing.T) {
		release := make(chan struct{})
		o := newScriptedOrg(t, func(int, http.ResponseWriter, *http.Request) {})
		o.login = func(int, http.ResponseWriter, *http.Request) { <-release }
		defer close(release)
		ends(t, o.client(quick), calls["info"])
	})
	t.Run("a client that is told nothing of time has bounds all the same", func(t *testing.T) {
		o := newScriptedOrg(t, func(int, http.ResponseWriter, *http.Request) {})
		c := o.client(func(cfg *Config) { cfg.Timeouts = Timeouts{} })
		if d := c.cfg.Timeouts; d.Call <= 0 || d.Login <= 0 || d.Upload <= 0 || d.Idle <= 0 {
			t.Errorf("%+v", d)
		}
	})
}
