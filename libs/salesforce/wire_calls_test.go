package salesforce

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// manner is what a call promises about repetition and about what its reply holds.
type manner string

const (
	reads   manner = "reads"   // sent again on failures that may pass
	changes manner = "changes" // sent once; its reply has content that counts
	removes manner = "removes" // sent once; its reply has none
	uploads manner = "uploads" // sent once, not even again after a lost session; its reply has no content
	streams manner = "streams" // the request is sent again, the file is not
	logsIn  manner = "logs in" // sent again on failures that may pass
)

// secretValue is in a query, as keys of records are.
const secretValue = "k-of-a-person"

// wireCall is one call of the client as the wire sees it.
type wireCall struct {
	name     string
	manner   manner
	method   string
	path     string // below the version, or the token endpoint's whole path
	endpoint string // as errors name it
	// good is the right reply.
	good func(w http.ResponseWriter)
	// setup, if set, changes the client.
	setup func(*Config)
	do    func(context.Context, *Client) error
	// follows says that another request to the same place comes before it.
	follows bool
}

func jsonReply(body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		_, _ = io.WriteString(w, body)
	}
}

func csvReply(body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { writeCSV(w, body) }
}

func statusReply(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(status) }
}

// readWhole reads a result file to its end.
func readWhole(kind ResultKind) func(context.Context, *Client) error {
	return func(ctx context.Context, c *Client) error {
		header, rows, err := readRows(c, ctx, kind)
		if err == nil && (len(header) != 2 || len(rows) != 40) {
			return errors.New("the file was read wrong")
		}
		return err
	}
}

// testKey is made once: a key of this size takes a while.
var testKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, minKeyBits)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

// withKey makes a client log in by key.
func withKey(cfg *Config) {
	cfg.ClientSecret, cfg.Username = nil, "loader@example.com"
	cfg.PrivateKey = func() ([]byte, error) { return testKey(), nil }
}

// route is how Observe is told of the call.
func (w wireCall) route() string {
	return strings.NewReplacer(tokenPath, tokenRoute, testJob, "{id}", "Contact/003000000000001AAA", "{object}/{id}", "Contact/describe", "{object}/describe", "01gD0-2000", "{locator}").Replace(w.path)
}

// wireCalls are all calls that the client has. Those that make several requests are there with each of them.
func wireCalls() []wireCall {
	const job = "jobs/ingest/" + testJob
	about := func(state string) func(http.ResponseWriter) {
		return jsonReply(`{"id":"` + testJob + `","object":"Contact","operation":"upsert","state":"` + state + `"}`)
	}
	result := `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Contact"},"Id":"003000000000001AAA","Code__c":"x"}]}`
	identity := func(ctx context.Context, c *Client) error { _, err := c.Identity(ctx); return err }
	lookup := func(ctx context.Context, c *Client) error {
		_, err := c.Lookup(ctx, "Contact", "Code__c", []string{secretValue})
		return err
	}
	rows := func(kept string, row string) string { return kept + "A,B\n" + strings.Repeat(row+"a,\"b\nb\"\n", 40) }
	return []wireCall{
		{
			name: "login by client credentials", manner: logsIn, method: "POST", path: tokenPath, endpoint: "POST oauth2/token", do: identity,
		},
		{
			name: "login by key", manner: logsIn, method: "POST", path: tokenPath, endpoint: "POST oauth2/token", setup: withKey, do: identity,
		},
		{
			name: "create", manner: changes, method: "POST", path: "jobs/ingest", endpoint: "POST jobs/ingest", good: about(StateOpen),
			do: func(ctx context.Context, c *Client) error {
				_, err := c.CreateJob(ctx, JobSpec{Object: "Contact", Operation: OperationUpsert, ExternalIDField: "K__c"})
				return err
			},
		},
		{
			name: "upload", manner: uploads, method: "PUT", path: job + "/batches", endpoint: "PUT " + job + "/batches", good: statusReply(http.StatusCreated),
			do: func(ctx context.Context, c *Client) error {
				return c.Upload(ctx, testJob, 4, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("A\n1\n")), nil })
			},
		},
		{
			name: "close", manner: changes, method: "PATCH", path: job, endpoint: "PATCH " + job, good: about(StateUploadComplete),
			do: func(ctx context.Context, c *Client) error { _, err := c.CloseJob(ctx, testJob); return err },
		},
		{
			name: "abort", manner: changes, method: "PATCH", path: job, endpoint: "PATCH " + job, good: about(StateAborted),
			do: func(ctx context.Context, c *Client) error { _, err := c.AbortJob(ctx, testJob); return err },
		},
		{
			name: "delete", manner: removes, method: "DELETE", path: job, endpoint: "DELETE " + job, good: statusReply(http.StatusNoContent),
			do: func(ctx context.Context, c *Client) error { return c.DeleteJob(ctx, testJob) },
		},
		{
			name: "info", manner: reads, method: "GET", path: job, endpoint: "GET " + job, good: about(StateInProgress),
			do: func(ctx context.Context, c *Client) error { _, err := c.Job(ctx, testJob); return err },
		},
		{
			name: "list", manner: reads, method: "GET", path: "jobs/ingest", endpoint: "GET jobs/ingest", good: jsonReply(`{"done":true,"records":[]}`),
			do: func(ctx context.Context, c *Client) error { _, err := c.Jobs(ctx, ""); return err },
		},
		{
			name: "successful rows", manner: streams, method: "GET", path: job + "/successfulResults", endpoint: "GET " + job + "/successfulResults",
			good: csvReply(rows("sf__Id,sf__Created,", "003000000000001AAA,true,")), do: readWhole(Successful),
		},
		{
			name: "failed rows", manner: streams, method: "GET", path: job + "/failedResults", endpoint: "GET " + job + "/failedResults",
			good: csvReply(rows("sf__Id,sf__Error,", ",REQUIRED_FIELD_MISSING:x:B --,")), do: readWhole(Failed),
		},
		{
			name: "unprocessed rows", manner: streams, method: "GET", path: job + "/unprocessedrecords", endpoint: "GET " + job + "/unprocessedrecords",
			good: csvReply(rows("", "")), do: readWhole(Unprocessed),
		},
		{
			name: "query", manner: reads, method: "GET", path: "query", endpoint: "GET query", good: jsonReply(result),
			do: func(ctx context.Context, c *Client) error {
				_, err := c.QueryFirst(ctx, "SELECT Id FROM Contact WHERE K__c = '"+secretValue+"'")
				return err
			},
		},
		{
			name: "query more", manner: reads, method: "GET", path: "query/01gD0-2000", endpoint: "GET query/01gD0-2000", good: jsonReply(result),
			do: func(ctx context.Context, c *Client) error { _, err := c.QueryNext(ctx, "01gD0-2000"); return err },
		},
		{
			name: "count", manner: reads, method: "GET", path: "query", endpoint: "GET query", good: jsonReply(`{"totalSize":3,"done":true,"records":[]}`),
			do: func(ctx context.Context, c *Client) error {
				_, err := c.Count(ctx, "SELECT COUNT() FROM Contact")
				return err
			},
		},
		{
			name: "describe", manner: reads, method: "GET", path: "sobjects/Contact/describe", endpoint: "GET sobjects/Contact/describe", good: jsonReply(describedContact),
			do: func(ctx context.Context, c *Client) error { _, err := c.Describe(ctx, "Contact"); return err },
		},
		{
			name: "objects", manner: reads, method: "GET", path: "sobjects", endpoint: "GET sobjects", good: jsonReply(`{"sobjects":[{"name":"Contact"}]}`),
			do: func(ctx context.Context, c *Client) error { _, err := c.Objects(ctx); return err },
		},
		{
			name: "limits", manner: reads, method: "GET", path: "limits", endpoint: "GET limits", good: jsonReply(`{"DailyApiRequests":{"Max":5,"Remaining":4}}`),
			do: func(ctx context.Context, c *Client) error { _, err := c.Limits(ctx); return err },
		},
		{
			name: "record", manner: reads, method: "GET", path: "sobjects/Contact/003000000000001AAA", endpoint: "GET sobjects/Contact/003000000000001AAA",
			good: jsonReply(`{"Id":"003000000000001AAA","Code__c":null}`),
			do: func(ctx context.Context, c *Client) error {
				_, err := c.Record(ctx, "Contact", "003000000000001AAA", "Id", "Code__c")
				return err
			},
		},
		{
			name: "look-up, its description", manner: reads, method: "GET", path: "sobjects/Contact/describe", endpoint: "GET sobjects/Contact/describe",
			good: jsonReply(describedContact), do: lookup,
		},
		{
			name: "look-up, its query", manner: reads, method: "GET", path: "query", endpoint: "GET query", good: jsonReply(result), do: lookup, follows: true,
		},
	}
}
