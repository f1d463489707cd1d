package simulation_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/memory/bubble"
	"bulkhead/libs/salesforce"
	orgsim "bulkhead/services/orgsim/app"
)

func TestOrg(t *testing.T) {
	for _, name := range []string{"a job is sent, worked on and read in virtual time", "and again in another bubble"} {
		t.Run(name, func(t *testing.T) { bubble.Test(t, oneJob) })
	}
}

func oneJob(t *testing.T) {
	const queued = 10 * time.Minute
	org := serveOrg(t, queued)
	caller := org.Net.As("test")
	defer func() {
		caller.Close()
		must(t, org.Close(context.WithoutCancel(t.Context())))
	}()
	client, err := salesforce.New(salesforce.Config{
		LoginURL: "http://127.0.0.1", ClientID: orgsim.DefaultClientID, AllowInsecureLoopback: true,
		ClientSecret: func() (string, error) { return orgsim.DefaultClientSecret, nil },
		HTTP:         &http.Client{Transport: caller.Transport()},
	})
	must(t, err)
	began := time.Now()
	job, err := client.CreateJob(t.Context(), salesforce.JobSpec{Object: "Account", Operation: "insert"})
	must(t, err)
	rows := "Name\n" + strings.Repeat("one\n", 20_000)
	must(t, client.Upload(t.Context(), job.ID, int64(len(rows)), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(rows)), nil }))
	_, err = client.CloseJob(t.Context(), job.ID)
	must(t, err)
	if took := time.Since(began); took > time.Second {
		t.Errorf("sending took %s", took)
	}
	for !job.Ended() {
		time.Sleep(time.Minute)
		job, err = client.Job(t.Context(), job.ID)
		must(t, err)
	}
	results, err := client.Results(t.Context(), job.ID, salesforce.Successful)
	must(t, err)
	defer results.Close()
	for err == nil {
		_, err = results.Next()
	}
	if !errors.Is(err, io.EOF) || results.Rows() != 20_000 {
		t.Errorf("%d rows read: %v", results.Rows(), err)
	}
	if took := time.Since(began); took < queued || job.Processed != 20_000 || job.Failed != 0 {
		t.Errorf("%+v after %s", job, took)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
