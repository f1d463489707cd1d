package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/libs/record"
)

const rowID = "003000000000001AAA"

func upsertOf(rows ...[]string) Collection {
	return Collection{
		Object: "Contact", Operation: OperationUpsert, ExternalIDField: "External_Id__c",
		Columns: []string{"External_Id__c", "LastName", "Account.External_Id__c", "User:Owner.Email"}, Rows: rows,
	}
}

func soon() time.Time { return time.Now().Add(20 * time.Second) }

func TestCollect(t *testing.T) {
	t.Run("an upsert names object and key in the path, and each row with what it says", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `[{"id":"`+rowID+`","success":true,"errors":[],"created":true},
				{"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]","fields":["LastName"]}]}]`)
		})
		items, err := o.client().Collect(t.Context(), upsertOf([]string{"e1", "O\"Neil\n", "a1", "x@example.com"}, []string{"e2", "#N/A", "", ""}), soon(), soon())
		if err != nil {
			t.Fatal(err)
		}
		want := []CollectionItem{
			{ID: rowID, Saved: true, Created: true},
			{Error: RowError{Code: "REQUIRED_FIELD_MISSING", Message: "Required fields are missing: [LastName]", Fields: []string{"LastName"}}},
		}
		if !reflect.DeepEqual(items, want) {
			t.Errorf("got %+v, want %+v", items, want)
		}
		call := o.calls()[0]
		if call.method != "PATCH" || call.uri != base+"/composite/sobjects/Contact/External_Id__c" || !strings.HasPrefix(call.contentType, "application/json") {
			t.Errorf("sent %s %s as %s", call.method, call.uri, call.contentType)
		}
		const body = `{"allOrNone":false,"records":[{"attributes":{"type":"Contact"},"External_Id__c":"e1","LastName":"O\"Neil\n",` +
			`"Account":{"External_Id__c":"a1"},"Owner":{"attributes":{"type":"User"},"Email":"x@example.com"}},` +
			`{"attributes":{"type":"Contact"},"External_Id__c":"e2","LastName":null}]}`
		if !sameJSON(t, call.body, body) {
			t.Errorf("sent %s", call.body)
		}
	})
	t.Run("an update names its rows by id, a delete in the address", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `[{"id":"`+rowID+`","success":true,"errors":[]}]`)
		})
		c := o.client()
		for _, call := range []Collection{
			{Object: "Contact", Operation: OperationUpdate, Columns: []string{"Id", "LastName"}, Rows: [][]string{{rowID, "X"}}},
			{Object: "Contact", Operation: OperationDelete, Columns: []string{"Id"}, Rows: [][]string{{rowID}}},
		} {
			if items, err := c.Collect(t.Context(), call, soon(), soon()); err != nil || len(items) != 1 || !items[0].Saved || items[0].ID != rowID {
				t.Errorf("%s: %+v, %v", call.Operation, items, err)
			}
		}
		calls := o.calls()
		if calls[0].method != "PATCH" || calls[0].uri != base+"/composite/sobjects" ||
			!sameJSON(t, calls[0].body, `{"allOrNone":false,"records":[{"attributes":{"type":"Contact"},"id":"`+rowID+`","LastName":"X"}]}`) {
			t.Errorf("the update sent %+v", calls[0])
		}
		u, err := url.Parse(calls[1].uri)
		if err != nil || calls[1].method != "DELETE" || u.Query().Get("ids") != rowID || u.Query().Get("allOrNone") != "false" || calls[1].body != "" {
			t.Errorf("the delete sent %+v", calls[1])
		}
	})
	t.Run("what cannot be one call is refused before anything is sent", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		many := make([][]string, MaxCollectionRows+1)
		for i := range many {
			many[i] = []string{"e", "", "", ""}
		}
		byID := upsertOf([]string{"e", "", "", ""})
		byID.ExternalIDField = "Id"
		insert := upsertOf([]string{"e", "", "", ""})
		insert.Operation = OperationInsert
		for name, call := range map[string]Collection{
			"no rows": upsertOf(), "too many rows": upsertOf(many...), "an insert": insert, "an upsert by Id": byID, "a row with other columns": upsertOf([]string{"e"}),
			"a delete without an id":   {Object: "Contact", Operation: OperationDelete, Columns: []string{"Id"}, Rows: [][]string{{"x"}}},
			"an update without ids":    {Object: "Contact", Operation: OperationUpdate, Columns: []string{"LastName"}, Rows: [][]string{{"x"}}},
			"two keys of one parent":   {Object: "Contact", Operation: OperationUpdate, Columns: []string{"Id", "Account.A__c", "account.B__c"}, Rows: [][]string{{rowID, "", ""}}},
			"a parent that is cleared": upsertOf([]string{"e", "", "#N/A", ""}),
			"a body that is too large": upsertOf([]string{"e", strings.Repeat("x", MaxCollectionBytes), "", ""}),
		} {
			if _, err := o.client().Collect(t.Context(), call, soon(), soon()); !Definite(err) || o.loginCount() != 0 || !strings.Contains(err.Error(), "not sent") {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
	for name, reply := range map[string]string{
		"of fewer rows": `[]`, "of more rows": `[{"success":true},{"success":true}]`, "that is no list": `{"success":true}`, "that is no JSON": `[{"succ`,
		"without an end of a row": `[{"id":"` + rowID + `"}]`, "that is an error": `[{"errorCode":"UNKNOWN_EXCEPTION","message":"x"}]`, "that is a page": `<html></html>`,
		"with a row that is null": `[null]`,
	} {
		t.Run("a reply "+name+" leaves open what the call did", func(t *testing.T) {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, reply) })
			_, err := o.client().Collect(t.Context(), upsertOf([]string{"e", "", "", ""}), soon(), soon())
			if err == nil || Definite(err) || ClassOf(err) != record.ClassTransient || len(o.calls()) != 1 {
				t.Errorf("got %v after %d calls", err, len(o.calls()))
			}
		})
	}
	t.Run("a lost reply leaves it open too, and is not followed by a second call", func(t *testing.T) {
		o := newScriptedOrg(t, func(int, http.ResponseWriter, *http.Request) { cutConnection() })
		_, err := o.client().Collect(t.Context(), upsertOf([]string{"e", "", "", ""}), soon(), soon())
		if err == nil || Definite(err) || !IsUnreachable(err) || len(o.calls()) != 1 {
			t.Errorf("got %v after %d calls", err, len(o.calls()))
		}
	})
	t.Run("a refusal of the whole call is definite", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeError(w, http.StatusBadRequest, "JSON_PARSER_ERROR", "Cannot deserialize")
		})
		if _, err := o.client().Collect(t.Context(), upsertOf([]string{"e", "", "", ""}), soon(), soon()); !Definite(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a lost session is renewed and the call made with the new one", func(t *testing.T) {
		o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				writeError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
				return
			}
			_, _ = io.WriteString(w, `[{"id":"`+rowID+`","success":true,"errors":[]}]`)
		})
		if items, err := o.client().Collect(t.Context(), upsertOf([]string{"e", "", "", ""}), soon(), soon()); err != nil || !items[0].Saved || o.loginCount() != 2 {
			t.Errorf("got %+v, %v after %d logins", items, err, o.loginCount())
		}
	})
}

// lateTransport lets time pass at a place of the request's way.
type lateTransport struct {
	http.RoundTripper
	before func()
}

func (l lateTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	l.before()
	// The time-out of the call's own context must not be what keeps it back here: a process that was stopped has not noticed it yet.
	return l.RoundTripper.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
}

func TestACallThatIsLateHasNoEffect(t *testing.T) {
	for name, call := range map[string]Collection{
		"with a body":    upsertOf([]string{"e", "", "", ""}),
		"without a body": {Object: "Contact", Operation: OperationDelete, Columns: []string{"Id"}, Rows: [][]string{{rowID}}},
	} {
		t.Run("a call "+name+" that stood still before it went out is kept back", func(t *testing.T) {
			o := newScriptedOrg(t, noLimits)
			o.partial = true
			wait := func() {}
			c := o.client(func(cfg *Config) {
				cfg.HTTP = &http.Client{Transport: lateTransport{http.DefaultTransport.(*http.Transport).Clone(), func() { wait() }}}
			})
			if _, err := c.Limits(t.Context()); err != nil { // a session is there
				t.Fatal(err)
			}
			before := len(o.calls())
			deadline := time.Now().Add(50 * time.Millisecond)
			wait = func() { <-time.After(time.Until(deadline) + time.Millisecond) }
			_, err := c.Collect(t.Context(), call, deadline, soon())
			if _, ok := errors.AsType[*NotSentError](err); !ok || !Definite(err) || ClassOf(err) != record.ClassTransient || IsUnreachable(err) {
				t.Errorf("got %v", err)
			}
			if n := len(o.calls()); n != before {
				t.Errorf("the org was sent %d calls", n-before)
			}
		})
	}
	t.Run("a call that never got a connection had no effect", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		refused := false
		c := o.client(func(cfg *Config) {
			cfg.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if refused {
					return nil, errors.New("connection refused")
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}}}
		})
		if _, err := c.Limits(t.Context()); err != nil {
			t.Fatal(err)
		}
		refused = true
		_, err := c.Collect(t.Context(), upsertOf([]string{"e", "", "", ""}), soon(), soon())
		if !Definite(err) || !IsUnreachable(err) || !strings.Contains(err.Error(), "no effect") {
			t.Errorf("got %v", err)
		}
	})
	silent := func(release chan struct{}) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
				_, _ = io.WriteString(w, `[{"id":"`+rowID+`","success":true,"errors":[]}]`)
			case <-r.Context().Done():
			}
		}
	}
	t.Run("an answer is waited for as long as is said, and no longer", func(t *testing.T) {
		release := make(chan struct{})
		o := newScriptedOrg(t, silent(release))
		c := o.client()
		sendBy := time.Now().Add(200 * time.Millisecond)
		_, err := c.Collect(t.Context(), upsertOf([]string{"e", "", "", ""}), sendBy, sendBy)
		if err == nil || Definite(err) || !IsUnreachable(err) {
			t.Errorf("got %v", err)
		}
		sendBy = time.Now().Add(200 * time.Millisecond)
		time.AfterFunc(400*time.Millisecond, func() { close(release) })
		if items, err := c.Collect(t.Context(), upsertOf([]string{"e", "", "", ""}), sendBy, soon()); err != nil || !items[0].Saved {
			t.Errorf("got %v, %v", items, err)
		}
	})
	t.Run("a call that finds no connection in time ends with its time", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		var hang atomic.Bool
		c := o.client(func(cfg *Config) {
			cfg.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if hang.Load() {
					<-ctx.Done()
					return nil, context.Cause(ctx)
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}}}
		})
		if _, err := c.Limits(t.Context()); err != nil {
			t.Fatal(err)
		}
		hang.Store(true)
		began := time.Now()
		_, err := c.Collect(t.Context(), upsertOf([]string{"e", "", "", ""}), began.Add(100*time.Millisecond), began.Add(time.Minute))
		if _, ok := errors.AsType[*NotSentError](err); !ok || time.Since(began) > 20*time.Second {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
	})
	t.Run("what was judged as not sent is not sent afterwards", func(t *testing.T) {
		g := &gate{deadline: soon()}
		body := &gatedBody{gate: g, content: bytes.NewReader([]byte("{}"))}
		if _, ok := errors.AsType[*NotSentError](g.judge(request{body: []byte("{}")}, context.Canceled)); !ok {
			t.Fatal("the body was not handed over, and the call counts as sent")
		}
		if n, err := body.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errLate) {
			t.Errorf("read %d bytes, %v", n, err)
		}
	})
}

func TestASizeIsNeverBelowTheRealOne(t *testing.T) {
	columns := []string{"External_Id__c", "Account.External_Id__c", "User:Owner.Email"}
	for _, cells := range [][]string{{"e", "a", "o"}, {"\x01\x02", "\"\\", "ä€\n"}, {"e", "#N/A", ""}} {
		call := Collection{Object: "Contact", Columns: columns, Rows: [][]string{cells}}
		empty := Collection{Object: "Contact", Columns: columns}
		if real, said := len(call.encode())-len(empty.encode()), CollectionRecordBytes("Contact", columns, cells); real > said {
			t.Errorf("%q takes %d bytes, and %d were said", cells, real, said)
		}
	}
}

func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Errorf("%s: %v", got, err)
		return false
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(a, b)
}

func FuzzCollectionReply(f *testing.F) {
	f.Add(`[{"id":"`+rowID+`","success":true,"errors":[],"created":false}]`, 1)
	f.Add(`[{"success":false,"errors":[{"statusCode":"A","message":"b","fields":null},{"statusCode":"C"}]}]`, 1)
	f.Add(`[null]`, 1)
	f.Fuzz(func(t *testing.T, body string, rows int) {
		c := &Client{cfg: Config{Now: time.Now}}
		resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		items, err := c.decodeItems(t.Context(), request{method: "PATCH", path: collectionsPath}, resp, rows)
		if err == nil && len(items) != rows {
			t.Errorf("%d items of %d rows", len(items), rows)
		}
		if err != nil && Definite(err) {
			t.Errorf("a reply that says nothing counts as a refusal: %v", err)
		}
	})
}
