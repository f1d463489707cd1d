package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check is one condition of readiness: nil = good.
type Check struct {
	Name string
	Ask  func(ctx context.Context) error
}

// checkTimeout bounds the checks of one /readyz, which run at the same time.
const checkTimeout = 3 * time.Second

// HealthHandler serves /healthz (the process runs), /readyz (every check is good; 503 and the reasons otherwise) and /metrics.
func HealthHandler(env Env, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"ok": true, "version": Version()})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		status, reasons := http.StatusOK, ask(ctx, checks)
		if len(reasons) > 0 {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, map[string]any{"ok": status == http.StatusOK, "not_ready": reasons})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(env.Registry, promhttp.HandlerOpts{Registry: env.Registry}))
	return mux
}

// ask runs all checks at the same time and returns the words of those that fail or do not answer in time.
func ask(ctx context.Context, checks []Check) map[string]string {
	type answer struct {
		name string
		err  error
	}
	answers := make(chan answer, len(checks)) // room for all: a late one must not hang
	reasons := map[string]string{}
	for _, c := range checks {
		reasons[c.Name] = "no answer in time"
		go func() { answers <- answer{c.Name, c.Ask(ctx)} }()
	}
	for range checks {
		select {
		case a := <-answers:
			delete(reasons, a.name)
			if a.err != nil {
				reasons[a.name] = a.err.Error()
			}
		case <-ctx.Done():
			return reasons
		}
	}
	return reasons
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// Server is an HTTP server that a Lifecycle can stop.
type Server struct {
	listener net.Listener
	server   *http.Server
	done     chan error
}

// Serve listens (port 0 = a free one) and serves in the background, with every phase of a request bounded.
func Serve(ctx context.Context, address string, h http.Handler) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	s := &Server{
		listener: l,
		server: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       60 * time.Second,
			WriteTimeout:      120 * time.Second,
			IdleTimeout:       120 * time.Second,
			MaxHeaderBytes:    64 << 10,
		},
		done: make(chan error, 1),
	}
	go func() {
		err := s.server.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		s.done <- err
		close(s.done)
	}()
	return s, nil
}

// Addr is where the server listens: host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Stop ends the server: open requests may finish until the deadline of ctx.
func (s *Server) Stop(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	return errors.Join(err, <-s.done)
}
