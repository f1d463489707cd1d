package salesforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/record"
)

// scriptedCircuit answers each question with the next wait of a list, 0 = allowed, and keeps what it is told.
type scriptedCircuit struct {
	waits []time.Duration

	mu    sync.Mutex
	asked int
	told  []Verdict
}

func (c *scriptedCircuit) Allow(context.Context) (func(context.Context, Verdict), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.asked <= len(c.waits) && c.waits[c.asked-1] > 0 {
		return nil, fmt.Errorf("asked for the %d. time: %w", c.asked, &CircuitOpenError{Wait: c.waits[c.asked-1], Class: record.ClassTransient, Cause: "503"})
	}
	return func(_ context.Context, v Verdict) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.told = append(c.told, v)
	}, nil
}

// proofs are what it was told, in letters: a for an answer, - for nothing, x for no answer, q for a used-up limit.
func (c *scriptedCircuit) proofs() string {
	var b strings.Builder
	for _, v := range c.told {
		switch {
		case v.Proof == ProofAnswers:
			b.WriteByte('a')
		case v.Proof == ProofNone:
			b.WriteByte('-')
		case v.Class == record.ClassQuota:
			b.WriteByte('q')
		default:
			b.WriteByte('x')
		}
	}
	return b.String()
}

func (c *scriptedCircuit) in(cfg *Config) { cfg.Circuit = c }

func TestCircuitIsTold(t *testing.T) {
	job := func(w http.ResponseWriter) { writeJSON(w, 200, map[string]any{"id": testJob, "state": "Open"}) }
	look := func(ctx context.Context, c *Client) error { _, err := c.Job(ctx, testJob); return err }
	closing := func(ctx context.Context, c *Client) error { _, err := c.CloseJob(ctx, testJob); return err }
	// The first letter is the login's.
	for _, test := range []struct {
		name   string
		do     func(context.Context, *Client) error
		answer func(n int, w http.ResponseWriter)
		want   string
	}{
		{"an answer; the login before it proves nothing", look, func(_ int, w http.ResponseWriter) { job(w) }, "-a"},
		{"each try of a call that is repeated", look, func(n int, w http.ResponseWriter) {
			if n == 1 {
				writePage(w, 503)
				return
			}
			job(w)
		}, "-xa"},
		{"a refusal is an answer", look, func(_ int, w http.ResponseWriter) { writeError(w, 404, "NOT_FOUND", "no") }, "-a"},
		{"an error of the server with a code of the API is an answer", closing, func(_ int, w http.ResponseWriter) { writeError(w, 500, "UNKNOWN_EXCEPTION", "oops") }, "-a"},
		{"an error of the server without one says nothing", closing, func(_ int, w http.ResponseWriter) { w.WriteHeader(500) }, "--"},
		{"a busy edge is no answer", closing, func(_ int, w http.ResponseWriter) { writeError(w, 503, "SERVER_UNAVAILABLE", "busy") }, "-x"},
		{"a page with 200 is no answer", closing, func(_ int, w http.ResponseWriter) { writePage(w, 200) }, "-x"},
		{"a connection that is cut is no answer", closing, func(int, http.ResponseWriter) { cutConnection() }, "-x"},
		{"calls of the day that are used up", look, func(_ int, w http.ResponseWriter) {
			writeError(w, 403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
		}, "-q"},
		{"too many long calls at once are an answer: it passes by itself", look, func(_ int, w http.ResponseWriter) {
			writeError(w, 403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")
		}, "-a"},
		{"another limit than that of calls is an answer", look, func(_ int, w http.ResponseWriter) { writeError(w, 400, "EXCEEDEDQUOTA", "no") }, "-a"},
		{"a lost session says nothing, nor does the login after it", look, func(n int, w http.ResponseWriter) {
			if n == 1 {
				writeError(w, 401, "INVALID_SESSION_ID", "Session expired or invalid")
				return
			}
			job(w)
		}, "---a"},
		{"an upload that was taken", func(ctx context.Context, c *Client) error {
			return c.Upload(ctx, testJob, 4, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewBufferString("A\n1\n")), nil })
		}, func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) }, "-a"},
		{"an upload whose content cannot be opened says nothing", func(ctx context.Context, c *Client) error {
			return c.Upload(ctx, testJob, 4, func() (io.ReadCloser, error) { return nil, errors.New("no disk") })
		}, func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) }, "--"},
		{"a file that begins is an answer", func(ctx context.Context, c *Client) error {
			r, err := c.Results(ctx, testJob, Successful)
			if err == nil {
				err = r.Close()
			}
			return err
		}, func(_ int, w http.ResponseWriter) { writeCSV(w, "\"sf__Id\",\"sf__Created\",A\n") }, "-a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newScriptedOrg(t, func(n int, w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				test.answer(n, w)
			})
			circuit := &scriptedCircuit{}
			err := test.do(t.Context(), o.client(circuit.in))
			if got := circuit.proofs(); got != test.want {
				t.Errorf("told %s, want %s; the call said %v", got, test.want, err)
			}
		})
	}
	t.Run("what the caller cancelled says nothing", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := newScriptedOrg(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		circuit := &scriptedCircuit{}
		if err := closing(ctx, o.client(circuit.in)); err == nil || circuit.proofs() != "--" {
			t.Errorf("told %s, %v", circuit.proofs(), err)
		}
	})
	t.Run("what the caller's own time ended says nothing either", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		circuit := &scriptedCircuit{}
		c := o.client(circuit.in)
		if _, err := c.Identity(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := look(ctx, c); !errors.Is(err, context.DeadlineExceeded) || circuit.proofs() != "--" {
			t.Errorf("told %s, %v", circuit.proofs(), err)
		}
	})
	hang := func(_ int, _ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	for _, test := range []struct {
		name string
		do   func(context.Context, *Client) error
		mend func(*scriptedOrg, *Config)
		want string
	}{
		{"a call", look, func(_ *scriptedOrg, cfg *Config) { cfg.Timeouts.Call = 20 * time.Millisecond }, "-x"},
		{"an upload", func(ctx context.Context, c *Client) error {
			return c.Upload(ctx, testJob, 4, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewBufferString("A\n1\n")), nil })
		}, func(_ *scriptedOrg, cfg *Config) { cfg.Timeouts.Upload = 20 * time.Millisecond }, "-x"},
		{"a login", look, func(o *scriptedOrg, cfg *Config) { o.login, cfg.Timeouts.Login = hang, 20*time.Millisecond }, "x"},
	} {
		t.Run(test.name+" that takes longer than the client gives it is no answer, although its caller has more time", func(t *testing.T) {
			o := newScriptedOrg(t, hang)
			circuit := &scriptedCircuit{}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c := o.client(circuit.in, func(cfg *Config) { cfg.Retry.Tries = 1; test.mend(o, cfg) })
			if err := test.do(ctx, c); !IsUnreachable(err) || circuit.proofs() != test.want {
				t.Errorf("told %s, %v", circuit.proofs(), err)
			}
		})
	}
	t.Run("a login that gets no answer is none", func(t *testing.T) {
		circuit := &scriptedCircuit{}
		o := newScriptedOrg(t, func(int, http.ResponseWriter, *http.Request) {})
		c := o.client(circuit.in)
		o.server.Close()
		if err := look(t.Context(), c); !IsUnreachable(err) || circuit.proofs() != "xxx" {
			t.Errorf("told %s, %v", circuit.proofs(), err)
		}
	})
	t.Run("no secret is told", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			writeError(w, 503, "SERVER_UNAVAILABLE", r.Header.Get("Authorization"))
		})
		const token = "00D000000000001!AQ.a-long-access-token"
		o.login = func(_ int, w http.ResponseWriter, _ *http.Request) { o.grant(w, token, testOrg) }
		circuit := &scriptedCircuit{}
		_ = closing(t.Context(), o.client(circuit.in))
		if len(circuit.told) != 2 || strings.Contains(circuit.told[1].Cause, token) {
			t.Errorf("%+v", circuit.told)
		}
	})
}

func TestAnOpenCircuit(t *testing.T) {
	const long = time.Hour
	answer := func(_ int, w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, map[string]any{"id": testJob, "state": "UploadComplete"})
	}
	t.Run("holds back every call, logins too: nothing is sent, and the error says for how long and why", func(t *testing.T) {
		o := newScriptedOrg(t, answer)
		circuit := &scriptedCircuit{waits: []time.Duration{long, long}}
		c := o.client(circuit.in)
		_, err := c.CloseJob(t.Context(), testJob)
		hint, ok := RetryAfterHint(err)
		if !IsHeldBack(err) || !ok || hint != long || !Definite(err) || !IsUnreachable(err) || ClassOf(err) != record.ClassTransient || !strings.Contains(err.Error(), "503") {
			t.Errorf("%v: hint %s %v, definite %v, unreachable %v, class %s", err, hint, ok, Definite(err), IsUnreachable(err), ClassOf(err))
		}
		if len(o.calls()) != 0 || o.loginCount() != 0 {
			t.Errorf("%d calls, %d logins", len(o.calls()), o.loginCount())
		}
	})
	t.Run("holds back an upload before its content is opened, and the job stays usable", func(t *testing.T) {
		o := newScriptedOrg(t, answer)
		circuit := &scriptedCircuit{waits: []time.Duration{0, long}}
		err := o.client(circuit.in).Upload(t.Context(), testJob, 4, func() (io.ReadCloser, error) {
			t.Error("the content was opened")
			return nil, io.EOF
		})
		if !IsHeldBack(err) || !Definite(err) || errors.Is(err, ErrUploadUnsure) || len(o.calls()) != 0 {
			t.Errorf("%v after %d calls", err, len(o.calls()))
		}
	})
	t.Run("a short wait is slept through, also before a call that is sent once", func(t *testing.T) {
		o := newScriptedOrg(t, answer)
		circuit := &scriptedCircuit{waits: []time.Duration{0, time.Millisecond, time.Millisecond}}
		info, err := o.client(circuit.in).CloseJob(t.Context(), testJob)
		if err != nil || info.State != StateUploadComplete || len(o.calls()) != 1 || circuit.asked != 4 {
			t.Errorf("%+v, %v after %d calls, asked %d times", info, err, len(o.calls()), circuit.asked)
		}
	})
	t.Run("is not waited for without an end", func(t *testing.T) {
		o := newScriptedOrg(t, answer)
		circuit := &scriptedCircuit{waits: []time.Duration{0}}
		for range 100 {
			circuit.waits = append(circuit.waits, time.Millisecond)
		}
		if _, err := o.client(circuit.in).Job(t.Context(), testJob); !IsHeldBack(err) || len(o.calls()) != 0 || circuit.asked != 5 {
			t.Errorf("%v after %d calls, asked %d times", err, len(o.calls()), circuit.asked)
		}
	})
	t.Run("ends the tries of a call, whose error says what came of it and how long to wait", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) { writePage(w, 502) })
		circuit := &scriptedCircuit{waits: []time.Duration{0, 0, long}}
		_, err := o.client(circuit.in).Job(t.Context(), testJob)
		hint, _ := RetryAfterHint(err)
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 502 || IsHeldBack(err) || !IsGivenTime(err) || hint != long || Definite(err) || !IsUnreachable(err) || len(o.calls()) != 1 {
			t.Errorf("%v after %d calls, hint %s", err, len(o.calls()), hint)
		}
	})
	t.Run("leaves a call that waits for it to its caller's end", func(t *testing.T) {
		o := newScriptedOrg(t, answer)
		circuit := &scriptedCircuit{waits: []time.Duration{0, time.Minute}}
		c := o.client(circuit.in, func(cfg *Config) { cfg.Retry.Max = time.Hour })
		if _, err := c.Identity(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := c.Job(ctx, testJob)
		if !errors.Is(err, context.DeadlineExceeded) || !IsHeldBack(err) || len(o.calls()) != 0 {
			t.Errorf("%v after %d calls", err, len(o.calls()))
		}
	})
	for _, test := range []struct {
		name  string
		login bool
	}{{"a call", false}, {"a login", true}} {
		t.Run(test.name+" that failed, and whose caller ends while it waits to be sent again, still says that it was sent", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			page := func(_ int, w http.ResponseWriter, _ *http.Request) { writePage(w, 502) }
			o := newScriptedOrg(t, page)
			circuit := &scriptedCircuit{waits: []time.Duration{0, 0, time.Minute}}
			if test.login {
				o.login, circuit.waits = page, circuit.waits[1:]
			}
			ends := func(cfg *Config) {
				cfg.Retry.Max, cfg.Retry.Base = time.Hour, time.Millisecond
				cfg.Circuit = endingCircuit{circuit, cancel}
			}
			_, err := o.client(ends).Job(ctx, testJob)
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != 502 || IsHeldBack(err) || Definite(err) || !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
}

// endingCircuit ends the caller's context with the first call that it holds back.
type endingCircuit struct {
	*scriptedCircuit
	end func()
}

func (c endingCircuit) Allow(ctx context.Context) (func(context.Context, Verdict), error) {
	told, err := c.scriptedCircuit.Allow(ctx)
	if err != nil {
		c.end()
	}
	return told, err
}

func TestBehind(t *testing.T) {
	for _, test := range []struct{ wait, backoff, want time.Duration }{
		{55 * time.Second, 0, 55 * time.Second},
		{55 * time.Second, time.Second, 56 * time.Second},
		{57200 * time.Millisecond, time.Hour, 58700 * time.Millisecond}, // less than a minute, however often it has failed
	} {
		if got := Behind(test.wait, test.backoff); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}
