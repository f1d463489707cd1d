package salesforce

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// content is an upload body that says when it was closed.
type content struct {
	io.Reader
	closed atomic.Bool
}

func (c *content) Close() error { c.closed.Store(true); return nil }

func bodyOf(data string) (*content, func() (io.ReadCloser, error)) {
	c := &content{Reader: strings.NewReader(data)}
	return c, func() (io.ReadCloser, error) { return c, nil }
}

func TestUpload(t *testing.T) {
	const csv = "Name,External_Id__c\n\"a, b\",1\n"
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	received := func(got *string) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			*got = string(b)
			w.WriteHeader(http.StatusCreated)
		}
	}
	for _, test := range []struct {
		name string
		size int64
		data string
	}{
		{"with its length known", int64(len(csv)), csv},
		{"with its length unknown", -1, csv},
		{"that asks first because it is large", int64(len(big)), big},
		{"that is large and of unknown length", -1, big},
		{"that is empty", 0, ""},
	} {
		t.Run("content "+test.name+" arrives whole", func(t *testing.T) {
			var got string
			o := newScriptedOrg(t, received(&got))
			body, open := bodyOf(test.data)
			if err := o.client().Upload(t.Context(), testJob, test.size, open); err != nil {
				t.Fatal(err)
			}
			call := o.calls()[0]
			if got != test.data || call.method != "PUT" || call.uri != base+"/jobs/ingest/"+testJob+"/batches" || !strings.HasPrefix(call.contentType, "text/csv") || !body.closed.Load() {
				t.Errorf("%d of %d bytes, %+v, closed %v", len(got), len(test.data), call, body.closed.Load())
			}
		})
	}
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"a busy server": func(w http.ResponseWriter, _ *http.Request) { writePage(w, http.StatusServiceUnavailable) },
		"a refusal": func(w http.ResponseWriter, _ *http.Request) {
			writeError(w, 400, "BULK_API_ERROR", "Found multipe contents") //nolint:misspell // Salesforce writes it so
		},
		"a cut connection": func(_ http.ResponseWriter, _ *http.Request) { cutConnection() },
		"a lost reply":     func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); cutConnection() },
		"a success before the end": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusCreated)
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
	} {
		t.Run("after "+name+" nothing is sent again and the job is to be left", func(t *testing.T) {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) { answer(w, r) })
			var opened []*content
			err := o.client().Upload(t.Context(), testJob, int64(len(big)), func() (io.ReadCloser, error) {
				opened = append(opened, &content{Reader: strings.NewReader(big)})
				return opened[len(opened)-1], nil
			})
			if !errors.Is(err, ErrUploadUnsure) || len(o.calls()) != 1 || len(opened) != 1 || !opened[0].closed.Load() {
				t.Errorf("got %v after %d calls, opened %d times", err, len(o.calls()), len(opened))
			}
		})
	}
	t.Run("after a 401 a new login is made, the body is not sent, and the job is to be left", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
		})
		body := &content{Reader: strings.NewReader(big)}
		err := o.client().Upload(t.Context(), testJob, int64(len(big)), func() (io.ReadCloser, error) { return body, nil })
		if !errors.Is(err, ErrUploadUnsure) || !IsAuth(err) || o.loginCount() != 2 || len(o.calls()) != 1 {
			t.Errorf("got %v, %d logins, %d calls", err, o.loginCount(), len(o.calls()))
		}
		if left, _ := io.ReadAll(body); len(left) != len(big) {
			t.Errorf("%d bytes were read for a request that was refused", len(big)-len(left))
		}
	})
	t.Run("content that cannot be opened is the caller's error, and the job is untouched", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		gone := errors.New("no such pieces")
		err := o.client().Upload(t.Context(), testJob, 5, func() (io.ReadCloser, error) { return nil, gone })
		if !errors.Is(err, gone) || errors.Is(err, ErrUploadUnsure) || len(o.calls()) != 0 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("content that breaks off is named as the cause", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		})
		lost := errors.New("database went away")
		err := o.client().Upload(t.Context(), testJob, -1, func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(csv), failingReader{lost})), nil
		})
		if !errors.Is(err, lost) || !errors.Is(err, ErrUploadUnsure) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("content of another length than announced is no success", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		})
		for _, size := range []int64{int64(len(csv)) - 1, int64(len(csv)) + 1} {
			_, open := bodyOf(csv)
			if err := o.client().Upload(t.Context(), testJob, size, open); !errors.Is(err, ErrUploadUnsure) {
				t.Errorf("announced %d of %d: %v", size, len(csv), err)
			}
		}
	})
	t.Run("more than a job takes is refused before it is opened", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		err := o.client().Upload(t.Context(), testJob, MaxUploadBytes+1, func() (io.ReadCloser, error) {
			t.Error("opened")
			return nil, io.EOF
		})
		if !Definite(err) || !strings.Contains(err.Error(), "smaller chunks") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("more than a job takes is stopped on the way when the length is unknown", func(t *testing.T) {
		b := newMeteredBody(io.NopCloser(io.LimitReader(zeros{}, MaxUploadBytes+1)))
		if _, err := io.Copy(io.Discard, b); !errors.Is(err, ErrTooLarge) || !errors.Is(b.failure(), ErrTooLarge) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the end of the context ends the upload and lets go of the content", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		o := newScriptedOrg(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 1024))
			cancel()
			_, _ = io.Copy(io.Discard, r.Body) // ends when the client hangs up
		})
		body := &content{Reader: io.LimitReader(zeros{}, 50<<20)}
		err := o.client().Upload(ctx, testJob, 50<<20, func() (io.ReadCloser, error) { return body, nil })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUploadUnsure) || IsUnreachable(err) || !body.closed.Load() {
			t.Errorf("got %v, closed %v", err, body.closed.Load())
		}
	})
	t.Run("an upload that takes too long is ended", func(t *testing.T) {
		release := make(chan struct{})
		o := newScriptedOrg(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-release
		})
		defer close(release)
		_, open := bodyOf(csv)
		err := o.client(func(cfg *Config) { cfg.Timeouts.Upload = 30 * time.Millisecond }).Upload(t.Context(), testJob, int64(len(csv)), open)
		if !errors.Is(err, errCallTimeout) || !errors.Is(err, ErrUploadUnsure) {
			t.Errorf("got %v", err)
		}
	})
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte{'0'}, len(p)))
	return len(p), nil
}

// resending is a transport that sends a request again after a 503, as some do.
type resending struct {
	http.RoundTripper
	rebuild bool // with a new body, if the request offers one
}

func (r resending) RoundTrip(hr *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(hr)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		return resp, err
	}
	_ = resp.Body.Close()
	again := hr.Clone(hr.Context())
	if r.rebuild {
		if again.Body, err = hr.GetBody(); err != nil {
			return nil, err
		}
	}
	return r.RoundTripper.RoundTrip(again)
}

func TestASpentUploadIsNeverSentAsAnEmptyFile(t *testing.T) {
	const csv = "Name\na\n"
	for _, test := range []struct {
		name    string
		size    int64
		rebuild bool
		good    bool
	}{
		{"a transport that builds the body anew sends all of it", int64(len(csv)), true, true},
		{"a transport that builds a body of unknown length anew sends all of it", -1, true, true},
		{"a transport that sends the same body again fails", int64(len(csv)), false, false},
		{"a transport that sends the same body of unknown length again fails", -1, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got string
			o := newScriptedOrg(t, func(n int, w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				if n == 1 {
					writePage(w, http.StatusServiceUnavailable)
					return
				}
				if err == nil {
					got = string(b)
					w.WriteHeader(http.StatusCreated)
				}
			})
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			c := o.client(func(cfg *Config) { cfg.HTTP = &http.Client{Transport: resending{transport, test.rebuild}} })
			var opened []*content
			err := c.Upload(t.Context(), testJob, test.size, func() (io.ReadCloser, error) {
				b := &content{Reader: strings.NewReader(csv)}
				opened = append(opened, b)
				return b, nil
			})
			if test.good && (err != nil || got != csv) {
				t.Errorf("%q came, %v", got, err)
			}
			if !test.good && !errors.Is(err, ErrUploadUnsure) {
				t.Errorf("%q came, %v", got, err)
			}
			for i, b := range opened {
				if !b.closed.Load() {
					t.Errorf("body %d is left open", i)
				}
			}
		})
	}
}
