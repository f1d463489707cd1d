package rest_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/simtest"
)

func TestSpoiltAnswers(t *testing.T) {
	at := func(t *testing.T, e simtest.Effect) (*client, answer) {
		t.Helper()
		c, id := prepared(t)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: e})
		a := c.patch(id, "UploadComplete")
		if !c.sim.AwaitJob(id, "Open").Closed {
			t.Error("the effect is missing")
		}
		return c, a
	}
	unzip := func(t *testing.T, body string) ([]byte, error) {
		t.Helper()
		z, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	}
	t.Run("a whole answer under a wrong type", func(t *testing.T) {
		c, a := at(t, simtest.Effect{Kind: simtest.WrongType})
		if body := c.want(a, 200); !strings.Contains(body, `"state":"UploadComplete"`) || a.header.Get("Content-Type") != "text/html; charset=UTF-8" {
			t.Errorf("got %s %s", a.header.Get("Content-Type"), body)
		}
		if call := c.sim.AwaitCall(0, simtest.Close, true); !call.Applied || call.Status != 200 {
			t.Errorf("the call log says %+v", call)
		}
	})
	t.Run("a wrong type of one's choice", func(t *testing.T) {
		_, a := at(t, simtest.Effect{Kind: simtest.WrongType, ContentType: "image/png"})
		if got := a.header.Get("Content-Type"); got != "image/png" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("what is said to be gzip and is none", func(t *testing.T) {
		_, a := at(t, simtest.Effect{Kind: simtest.GzipGarbage})
		if _, err := unzip(t, a.body); a.err != nil || a.status != 200 || a.header.Get("Content-Encoding") != "gzip" || !errors.Is(err, gzip.ErrHeader) {
			t.Errorf("got %d, %v, read as gzip %v", a.status, a.err, err)
		}
	})
	t.Run("a gzip stream that breaks", func(t *testing.T) {
		_, a := at(t, simtest.Effect{Kind: simtest.GzipGarbage, Bytes: 20})
		body, err := unzip(t, a.body)
		if a.err != nil || len(body) != 20 || err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %q, %v, read as gzip %v", body, a.err, err)
		}
	})
	t.Run("a small answer that grows when it is unpacked", func(t *testing.T) {
		const size = 8 << 20
		_, a := at(t, simtest.Effect{Kind: simtest.GzipBomb, Bytes: size})
		body, err := unzip(t, a.body)
		if err != nil || len(body) != size || len(a.body) > size/500 || len(bytes.TrimSpace(body)) != 0 {
			t.Errorf("%d bytes became %d, %v", len(a.body), len(body), err)
		}
	})
}

func TestSessionsEndInTheMiddle(t *testing.T) {
	t.Run("before the call is looked at", func(t *testing.T) {
		c, id := prepared(t)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.ExpireToken}})
		if body := c.want(c.patch(id, "UploadComplete"), 401); !strings.Contains(body, `"INVALID_SESSION_ID"`) {
			t.Errorf("got %s", body)
		}
		c.want(c.get(jobsPath+"/"+id), 401)
		c.login()
		c.want(c.patch(id, "UploadComplete"), 200)
	})
	t.Run("after the call was answered", func(t *testing.T) {
		c, id := prepared(t)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Close}, Effect: simtest.Effect{Kind: simtest.ExpireToken, When: "after"}})
		c.want(c.patch(id, "UploadComplete"), 200)
		c.want(c.get(jobsPath+"/"+id), 401)
	})
	t.Run("and those of others go on", func(t *testing.T) {
		c, id := prepared(t)
		ended := c.token
		c.login()
		other := c.token
		c.token = ended
		c.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.ExpireToken}})
		c.want(c.get(jobsPath+"/"+id), 401)
		c.token = other
		c.want(c.get(jobsPath+"/"+id), 200)
	})
}

func TestAnOrgThatIsDown(t *testing.T) {
	t.Run("answers 503 everywhere, to those without a session too, until its time is over", func(t *testing.T) {
		c := newClient(t)
		c.sim.AddFault(simtest.Fault{Match: simtest.Match{For: simtest.Duration(time.Minute)}, Effect: simtest.Effect{Kind: simtest.OrgDown}})
		for _, path := range []string{jobsPath, "/services/data", "/services/data/v66.0/limits", "/services/data/v66.0/query?q=x", "/nowhere"} {
			if body := c.want(c.get(path), 503); !strings.Contains(body, "SERVER_UNAVAILABLE") {
				t.Errorf("%s: %s", path, body)
			}
		}
		c.want(c.tokenRequest(url.Values{"grant_type": {"client_credentials"}}, nil), 503)
		c.sim.Advance(time.Minute)
		c.want(c.get(jobsPath), 200)
	})
	t.Run("shows a page if it is told to", func(t *testing.T) {
		c := newClient(t)
		c.sim.AddFault(simtest.Fault{Effect: simtest.Effect{Kind: simtest.OrgDown, Format: "html"}})
		a := c.get(jobsPath)
		if body := c.want(a, 503); !strings.HasPrefix(body, "<!DOCTYPE html>") || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("got %s", body)
		}
		c.want(c.get(jobsPath), 200)
	})
}

func TestUsedUpLimits(t *testing.T) {
	for _, tc := range []struct {
		quota, code, text string
		status            int
		usage             string
	}{
		{simtest.QuotaDaily, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", 403, "api-usage=100000/100000"},
		{simtest.QuotaLongTxn, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", 403, ""},
		{simtest.QuotaJobs, "EXCEEDEDQUOTA", "ExceededQuota", 400, ""},
	} {
		t.Run(tc.quota, func(t *testing.T) {
			c := newClient(t)
			c.sim.AddFault(simtest.Fault{Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.Quota, Quota: tc.quota}})
			a := c.send("POST", jobsPath, upsertContacts, nil)
			if body := c.want(a, tc.status); !strings.Contains(body, `"`+tc.code+`"`) || !strings.Contains(body, tc.text) {
				t.Errorf("got %s", body)
			}
			if got := a.header.Get("Sforce-Limit-Info"); tc.usage != "" && got != tc.usage {
				t.Errorf("usage %q", got)
			}
			if n := len(c.sim.Jobs()); n != 0 {
				t.Errorf("%d jobs were made", n)
			}
			c.want(c.get("/services/data"), 200)
			c.login()
		})
	}
	t.Run("a caller without a session learns that first", func(t *testing.T) {
		c := newClient(t)
		c.sim.AddFault(simtest.Fault{Times: simtest.Times(0), Effect: simtest.Effect{Kind: simtest.Quota}})
		c.token = "00Dx!nobody"
		c.want(c.get(jobsPath), 401)
	})
}

func TestLockStormsStrikeByParent(t *testing.T) {
	c := newClient(t)
	ordered(c)
	for _, name := range []string{"p1", "p2"} {
		c.sim.Seed("Account", map[string]string{"Name": name, "External_Id__c": name})
	}
	parent, _ := c.sim.Record("Account", "p1")
	c.sim.AddFault(simtest.Fault{
		Where: &simtest.Where{Field: "Account.External_Id__c", In: []string{"p1"}}, Match: simtest.Match{For: simtest.Duration(time.Hour)},
		Effect: simtest.Effect{Kind: simtest.LockStorm},
	})
	const upload = "External_Id__c,LastName,Account.External_Id__c\na,A,p1\nb,B,p2\nc,C,p1\n"
	failed := lines(c.results(c.run(upsertContacts, upload), "failedResults"))
	if len(failed) != 3 || !strings.Contains(failed[1], "UNABLE_TO_LOCK_ROW:") || !strings.Contains(failed[1], parent.ID[:15]) {
		t.Fatalf("got %q", failed)
	}
	c.sim.Advance(time.Hour)
	if got := c.info(c.run(upsertContacts, upload))["numberRecordsFailed"]; got != 0.0 {
		t.Errorf("after the storm %v failed", got)
	}
}

// The trap of clients whose body is a stream: their second try after a 503 sends nothing, and reports success.
func TestAnUploadOfNothing(t *testing.T) {
	c := newClient(t)
	id := c.create(upsertContacts)
	c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Upload}, Effect: simtest.Effect{Kind: simtest.Status, Status: 503}})
	c.want(c.upload(id, twoContacts), 503)
	if j := c.sim.AwaitJob(id, "Open"); j.Uploaded {
		t.Fatalf("the refused upload left %+v", j)
	}
	c.want(c.send("PUT", jobsPath+"/"+id+"/batches", "", func(r *http.Request) {
		r.Header.Set("Content-Type", "text/csv")
		r.ContentLength = 0
		r.Body = http.NoBody
	}), 201)
	calls := c.sim.Calls(0, simtest.Upload)
	if len(calls) != 2 || calls[0].Status != 503 || calls[1].Status != 201 || calls[1].Received != 0 {
		t.Errorf("the call log says %+v", calls)
	}
	c.want(c.patch(id, "UploadComplete"), 200)
	if j := c.sim.AwaitJob(id, "finished"); j.UploadRows != 0 || c.sim.Counts()["Contact"].Rows != 0 {
		t.Errorf("out of nothing came %+v", j)
	}
}

func TestTheCallLogSaysWhoAndHowMuch(t *testing.T) {
	c, id := prepared(t)
	c.sim.AddFault(simtest.Fault{Match: simtest.Match{Endpoint: simtest.Info}, Effect: simtest.Effect{Kind: simtest.Latency, Duration: simtest.Duration(20 * time.Millisecond)}})
	c.want(c.get(jobsPath+"/"+id), 200)
	up, look := c.sim.AwaitCall(0, simtest.Upload, true), c.sim.AwaitCall(0, simtest.Info, true)
	if up.Received != int64(len(twoContacts)) || len(up.User) != 18 || up.User[:3] != "005" {
		t.Errorf("the upload: %+v", up)
	}
	if time.Duration(look.Took) < 20*time.Millisecond || look.Sent == 0 {
		t.Errorf("the look: %+v", look)
	}
	if token := c.sim.AwaitCall(0, simtest.Token, true); token.User != "" || token.Received == 0 {
		t.Errorf("the token: %+v", token)
	}
}
