package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestOrders(t *testing.T) {
	t.Run("an order that is waited for says so again and again", func(t *testing.T) {
		began, ticks := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), make(chan time.Time)
		var out bytes.Buffer
		end := errors.New("end")
		err := tellWhile(&out, "ops moves 1,000,000 letters in one step", began, ticks, func() error {
			ticks <- began.Add(10 * time.Second)
			ticks <- began.Add(70 * time.Second)
			return end
		})
		want := "ops moves 1,000,000 letters in one step: 10s so far\nops moves 1,000,000 letters in one step: 1m10s so far\n"
		if !errors.Is(err, end) || out.String() != want {
			t.Errorf("%v, %q", err, out.String())
		}
	})
	// breaks is an ops that goes away in the middle of a call.
	breaks := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(breaks.Close)
	asks := func(t *testing.T, errOut string) {
		t.Helper()
		if !strings.Contains(errOut, "is not known") || !strings.Contains(errOut, "nothing is moved twice") {
			t.Errorf("stderr %q", errOut)
		}
	}
	t.Run("an order without an answer names the key and the number that ask again", func(t *testing.T) {
		for _, verb := range []string{"replay", "discard"} {
			code, _, errOut := invoke(t, "", "--ops", breaks.URL, "dlq", verb, "--class", "data", "--expect", "1200", "--reason", "why")
			if code != ExitUnreachable || !regexp.MustCompile(`--idempotency-key `+verb+`-[A-Z0-9]+ --expect 1200 asks`).MatchString(errOut) {
				t.Errorf("%s: exit %d, stderr %q", verb, code, errOut)
			}
			asks(t, errOut)
			code, _, errOut = invoke(t, "", "--ops", breaks.URL, "dlq", verb, letterID, "--idempotency-key", "mine", "--reason", "why")
			if code != ExitUnreachable || !strings.Contains(errOut, "--idempotency-key mine asks") || strings.Contains(errOut, "--expect") {
				t.Errorf("%s: exit %d, stderr %q", verb, code, errOut)
			}
		}
	})
	t.Run("an order that ops could not end in its time, or of which it lost the answer, names them too", func(t *testing.T) {
		for body, want := range map[string]int{
			`{"code":4,"message":"it took too long"}`: ExitUnreachable, `{"code":14,"message":"PostgreSQL does not answer"}`: ExitUnreachable,
			`{"code":13,"message":"ops could not do it"}`: ExitFailed,
		} {
			at := fakeOps(t, map[string]reply{"POST /v1/dead-letters:replay": {500, body}})
			code, _, errOut := invoke(t, "", "--ops", at, "dlq", "replay", letterID)
			if code != want {
				t.Errorf("%s: exit %d, want %d", body, code, want)
			}
			asks(t, errOut)
		}
	})
	t.Run("who ends the command before the answer is told how to ask for it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does a server see that its caller has gone
			cancel()
			<-r.Context().Done()
		}))
		t.Cleanup(slow.Close)
		var out, errOut bytes.Buffer
		if code := Main(ctx, []string{"--ops", slow.URL, "dlq", "replay", letterID}, strings.NewReader(""), &out, &errOut); code != ExitInterrupted {
			t.Errorf("exit %d", code)
		}
		asks(t, errOut.String())
	})
	t.Run("an order that nobody heard leaves nothing open", func(t *testing.T) {
		code, _, errOut := invoke(t, "", "--ops", "http://127.0.0.1:1", "dlq", "replay", letterID)
		if code != ExitUnreachable || strings.Contains(errOut, "is not known") {
			t.Errorf("exit %d, stderr %q", code, errOut)
		}
	})
	t.Run("a letter whose org does not answer is told in ops' words", func(t *testing.T) {
		const words = "org main could not be asked for row 003000000000001AAA, nothing was decided: no reply"
		at := fakeOps(t, map[string]reply{"POST /v1/dead-letters:resolve": {503, `{"code":14,"message":"` + words + `"}`}})
		code, _, errOut := invoke(t, "", "--ops", at, "dlq", "resolve", letterID, "--landed", "003000000000001AAA", "--reason", "why")
		if code != ExitUnreachable || !strings.Contains(errOut, words) || strings.Contains(errOut, "is it running") {
			t.Errorf("exit %d, stderr %q", code, errOut)
		}
	})
}
