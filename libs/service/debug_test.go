package service

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestServeDebug(t *testing.T) {
	t.Run("takes loopback addresses only, and says so", func(t *testing.T) {
		for _, address := range []string{"0.0.0.0:0", "192.0.2.1:6060", ":6060", "localhost:6060", "6060"} {
			if s, err := ServeDebug(t.Context(), address); err == nil || !strings.Contains(err.Error(), "127.0.0.1:6060") {
				t.Errorf("%s: %v", address, err)
				if s != nil {
					_ = s.Stop(t.Context())
				}
			}
		}
	})
	s, err := ServeDebug(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	ask := func(t *testing.T, method, path string, host ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range host {
			req.Host = h
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	t.Run("serves profiles of this process", func(t *testing.T) {
		if status, text := ask(t, http.MethodGet, "/debug/pprof/goroutine?debug=1"); status != http.StatusOK || !strings.Contains(text, "goroutine profile") {
			t.Errorf("%d: %s", status, text)
		}
	})
	t.Run("sets what is sampled, and refuses what is no number", func(t *testing.T) {
		if status, text := ask(t, http.MethodPost, "/debug/rates?block=0&mutex=0"); status != http.StatusOK {
			t.Errorf("%d: %s", status, text)
		}
		if status, _ := ask(t, http.MethodPost, "/debug/rates?block=often"); status != http.StatusBadRequest {
			t.Errorf("status %d", status)
		}
	})
	t.Run("lets no page of elsewhere set what is sampled", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr()+"/debug/rates?block=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "http://elsewhere.example")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("answers only under this machine's own names", func(t *testing.T) {
		for host, want := range map[string]int{"localhost:1": http.StatusOK, "127.0.0.1": http.StatusOK, "elsewhere.example:80": http.StatusForbidden} {
			if status, _ := ask(t, http.MethodGet, "/debug/pprof/", host); status != want {
				t.Errorf("%s: %d", host, status)
			}
		}
	})
}
