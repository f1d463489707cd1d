package salesforce

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// TestAReplyThatUnpacksWithoutEndIsBounded: a megabyte of blanks is a kilobyte on the wire, and this wire gives blanks until it is cut.
func TestAReplyThatUnpacksWithoutEndIsBounded(t *testing.T) {
	blanks := packedBlanks(t)
	bomb := func(w http.ResponseWriter, status int, media, start string) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, start)
		_ = z.Close()
		for err := error(nil); err == nil; {
			_, err = w.Write(blanks) // a gzip stream may have many members, one behind the other
		}
	}
	limits := func(ctx context.Context, c *Client) error { _, err := c.Limits(ctx); return err }
	for _, test := range []struct {
		name     string
		status   int
		media    string
		start    string
		login    bool
		tooLarge bool
		most     uint64 // bytes allocated
		do       func(context.Context, *Client) error
	}{
		{"an answer", http.StatusOK, "application/json", "{", false, true, 256 << 20, limits},
		{"a refusal", http.StatusBadRequest, "application/json", "[", false, false, 16 << 20, limits},
		{"a login", http.StatusOK, "application/json", "{", true, false, 64 << 20, limits},
		{"a result file", http.StatusOK, "text/csv", successful, false, true, 64 << 20, func(ctx context.Context, c *Client) error {
			_, _, err := readRows(c, ctx, Successful)
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				bomb(w, test.status, test.media, test.start)
			})
			if test.login {
				o.login = func(_ int, w http.ResponseWriter, _ *http.Request) {
					bomb(w, test.status, test.media, test.start)
				}
			}
			c := o.client(func(cfg *Config) {
				cfg.Retry.Tries, cfg.MaxResultBytes = 1, 8<<20
				cfg.Timeouts = Timeouts{} // the defaults, in case that the machine has much to do
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := test.do(t.Context(), c)
			runtime.ReadMemStats(&after)
			if err == nil || errors.Is(err, ErrTooLarge) != test.tooLarge {
				t.Errorf("got %v", err)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > test.most {
				t.Errorf("%d bytes were allocated, at most %d are needed", got, test.most)
			}
		})
	}
}

// packedBlanks is a megabyte of blanks as a member of a gzip stream.
func packedBlanks(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, strings.Repeat(" ", 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
