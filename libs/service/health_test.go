package service

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func serve(t *testing.T, checks ...Check) string {
	t.Helper()
	s, err := Serve(t.Context(), "127.0.0.1:0", HealthHandler(quiet(), checks...))
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
	return "http://" + s.Addr()
}

func TestHealth(t *testing.T) {
	t.Parallel()
	good := Check{Name: "postgres", Ask: func(context.Context) error { return nil }}
	bad := Check{Name: "nats", Ask: func(context.Context) error { return errors.New("away") }}
	t.Run("is ready while every check is good", func(t *testing.T) {
		t.Parallel()
		if status, body := get(t, serve(t, good)+"/readyz"); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	})
	t.Run("is alive but not ready when a check fails, and says which", func(t *testing.T) {
		t.Parallel()
		url := serve(t, good, bad)
		status, body := get(t, url+"/readyz")
		var words struct {
			NotReady map[string]string `json:"not_ready"`
		}
		if err := json.Unmarshal([]byte(body), &words); err != nil || status != http.StatusServiceUnavailable || len(words.NotReady) != 1 || words.NotReady["nats"] != "away" {
			t.Fatalf("%d %s %v", status, body, err)
		}
		if status, body := get(t, url+"/healthz"); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	})
	t.Run("does not wait for a check that does not look at its bound", func(t *testing.T) {
		t.Parallel()
		release := make(chan struct{})
		t.Cleanup(func() { close(release) })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		reasons := ask(ctx, []Check{{Name: "stuck", Ask: func(context.Context) error { <-release; return nil }}})
		if reasons["stuck"] == "" {
			t.Fatalf("%v", reasons)
		}
	})
	t.Run("serves metrics", func(t *testing.T) {
		t.Parallel()
		if status, body := get(t, serve(t)+"/metrics"); status != http.StatusOK || !strings.Contains(body, "promhttp_") {
			t.Fatalf("%d %s", status, body)
		}
	})
	t.Run("names the address that is taken", func(t *testing.T) {
		t.Parallel()
		taken := strings.TrimPrefix(serve(t), "http://")
		if _, err := Serve(t.Context(), taken, http.NotFoundHandler()); err == nil || !strings.Contains(err.Error(), taken) {
			t.Fatal(err)
		}
	})
}
