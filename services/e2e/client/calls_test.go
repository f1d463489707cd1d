package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/salesforce"
	"bulkhead/services/orgsim/simtest"
)

// manner is what a call may do when it meets a fault.
type manner int

const (
	reads   manner = iota // may be sent again
	streams               // the request may, what follows its header may not
	changes               // is sent once, but for a lost session
	uploads               // is sent once
	logsIn                // may be sent again
)

// call is one call of the client.
type call struct {
	name     string
	manner   manner
	endpoint simtest.Endpoint
	// job makes a job in the state that the call needs; nil = the finished one.
	job func(*org) string
	do  func(context.Context, *salesforce.Client, string) error
}

// org is a simulated org with a client that never meets a fault, and a job that has ended, with a row of each kind.
type org struct {
	*simtest.Sim
	t        *testing.T
	quiet    *salesforce.Client
	finished string
	contact  string // id of the row that landed
}

const csv = "External_Id__c,LastName\n%s,Öst\n%s-bad,\n"

func newOrg(t *testing.T) *org {
	t.Helper()
	o := &org{Sim: simtest.Start(t), t: t}
	o.quiet = o.client(nil)
	o.finished = o.ended()
	for _, row := range o.Rows(o.finished) {
		if row.ID != "" {
			o.contact = row.ID
		}
	}
	return o
}

// under is the same org for a subtest.
func (o *org) under(t *testing.T) *org {
	t.Helper()
	same := *o
	same.Sim, same.t = simtest.Attach(t, o.URL), t
	return &same
}

// client makes a client whose waits are short.
func (o *org) client(change func(*salesforce.Config)) *salesforce.Client {
	o.t.Helper()
	cfg := salesforce.Config{
		LoginURL: o.URL, ClientID: o.ClientID, ClientSecret: func() (string, error) { return o.Secret, nil }, AllowInsecureLoopback: true,
		Retry: salesforce.Retry{Tries: 3, Base: time.Millisecond, Max: 5 * time.Millisecond},
	}
	if change != nil {
		change(&cfg)
	}
	c, err := salesforce.New(cfg)
	o.must(err)
	return c
}

func byKey(o *org) func(*salesforce.Config) {
	return func(cfg *salesforce.Config) {
		cfg.ClientSecret, cfg.Username = nil, o.Username
		cfg.PrivateKey = func() ([]byte, error) { return o.PrivateKey(), nil }
	}
}

func (o *org) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// open makes a job that takes an upload.
func (o *org) open() string {
	o.t.Helper()
	job, err := o.quiet.CreateJob(o.t.Context(), upsert)
	o.must(err)
	return job.ID
}

var upsert = salesforce.JobSpec{Object: "Contact", Operation: salesforce.OperationUpsert, ExternalIDField: "External_Id__c"}

// uploaded makes a job that can be closed.
func (o *org) uploaded() string {
	o.t.Helper()
	id := o.open()
	o.must(upload(o.t.Context(), o.quiet, id))
	return id
}

// ended makes a job that has ended.
func (o *org) ended() string {
	o.t.Helper()
	id := o.uploaded()
	_, err := o.quiet.CloseJob(o.t.Context(), id)
	o.must(err)
	o.AwaitJob(id, "finished")
	return id
}

func upload(ctx context.Context, c *salesforce.Client, job string) error {
	text := fmt.Sprintf(csv, job, job)
	return c.Upload(ctx, job, int64(len(text)), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil })
}

func rows(kind salesforce.ResultKind) func(context.Context, *salesforce.Client, string) error {
	return func(ctx context.Context, c *salesforce.Client, job string) error {
		r, err := c.Results(ctx, job, kind)
		if err != nil {
			return err
		}
		defer func() { _ = r.Close() }()
		for {
			if _, err := r.Next(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
}

// calls are all calls that the client has.
func calls(o *org) []call {
	return []call{
		{"login", logsIn, simtest.Token, nil, func(ctx context.Context, c *salesforce.Client, _ string) error { _, err := c.CheckOrg(ctx); return err }},
		{"create", changes, simtest.Create, nil, func(ctx context.Context, c *salesforce.Client, _ string) error {
			_, err := c.CreateJob(ctx, upsert)
			return err
		}},
		{"upload", uploads, simtest.Upload, (*org).open, upload},
		{"close", changes, simtest.Close, (*org).uploaded, func(ctx context.Context, c *salesforce.Client, job string) error {
			_, err := c.CloseJob(ctx, job)
			return err
		}},
		{"abort", changes, simtest.Abort, (*org).open, func(ctx context.Context, c *salesforce.Client, job string) error {
			_, err := c.AbortJob(ctx, job)
			return err
		}},
		{"delete", changes, simtest.Remove, (*org).ended, func(ctx context.Context, c *salesforce.Client, job string) error {
			return c.DeleteJob(ctx, job)
		}},
		{"info", reads, simtest.Info, nil, func(ctx context.Context, c *salesforce.Client, job string) error {
			_, err := c.Job(ctx, job)
			return err
		}},
		{"list", reads, simtest.List, nil, func(ctx context.Context, c *salesforce.Client, _ string) error {
			_, err := c.Jobs(ctx, "")
			return err
		}},
		{"successful rows", streams, simtest.Successful, nil, rows(salesforce.Successful)},
		{"failed rows", streams, simtest.FailedRows, nil, rows(salesforce.Failed)},
		{"unprocessed rows", streams, simtest.Unprocessed, nil, rows(salesforce.Unprocessed)},
		{"query", reads, simtest.Query, nil, func(ctx context.Context, c *salesforce.Client, _ string) error {
			_, err := c.QueryFirst(ctx, "SELECT Id FROM Contact LIMIT 2")
			return err
		}},
		{"look-up", reads, simtest.Query, nil, func(ctx context.Context, c *salesforce.Client, job string) error {
			found, err := c.Lookup(ctx, "Contact", "External_Id__c", []string{job})
			if err == nil && len(found) != 1 {
				return fmt.Errorf("%d rows were found", len(found))
			}
			return err
		}},
		{"describe", reads, simtest.Describe, nil, func(ctx context.Context, c *salesforce.Client, _ string) error {
			_, err := c.Describe(ctx, "Contact")
			return err
		}},
		{"limits", reads, simtest.Limits, nil, func(ctx context.Context, c *salesforce.Client, _ string) error { _, err := c.Limits(ctx); return err }},
		{"record", reads, simtest.Records, nil, func(ctx context.Context, c *salesforce.Client, _ string) error {
			_, err := c.Record(ctx, "Contact", o.contact, "LastName")
			return err
		}},
	}
}
