package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/calls"
	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/page"
	"bulkhead/services/orgsim/internal/rest"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/switches"
)

const (
	// maxBody bounds a request, in bytes; seeding is the large one.
	maxBody = 64 << 20
	// defaultWait and maxWait bound how long a caller may be kept waiting.
	defaultWait = 30 * time.Second
	maxWait     = 2 * time.Minute
	// recordPage is how many rows are read under one lock.
	recordPage = 500
)

// Config is what the control API speaks for; all members are needed.
type Config struct {
	Store    *org.Store
	Jobs     *bulk.Manager
	Rest     *rest.Server
	Clock    *clock.Clock
	Settings *settings.Store
	Switches *switches.Store
	Faults   *fault.Set
	Calls    *calls.Log
	Logger   *slog.Logger
}

// API answers under /sim/. It is safe for concurrent use.
type API struct {
	Config
	mux   *http.ServeMux
	pages http.Handler
	// foreign refuses what a browser sends on behalf of another site.
	foreign *http.CrossOriginProtection
}

// problem is a refusal.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func refuse(status int, format string, args ...any) error {
	return &problem{status, fmt.Sprintf(format, args...)}
}

// New returns the control API of an org.
func New(c Config) *API {
	a := &API{Config: c, mux: http.NewServeMux(), foreign: http.NewCrossOriginProtection()}
	a.pages = page.New(page.Config{
		Store: c.Store, Jobs: c.Jobs, Clock: c.Clock, Settings: c.Settings, Switches: c.Switches, Faults: c.Faults, Calls: c.Calls,
		Logger: c.Logger, APICalls: c.Rest.APICalls, ExpireTokens: c.Rest.ExpireTokens, Reset: a.empty,
	})
	a.mux.Handle(page.Root, a.pages)
	for _, rt := range routes() {
		a.mux.HandleFunc(rt.Method+" "+rt.pattern(), func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			if err := rt.serve(a, r, w); err != nil {
				a.fail(w, r, err)
			}
		})
	}
	a.mux.HandleFunc("/sim/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, refuse(http.StatusNotFound, "there is no %s %s; GET /sim/ lists what there is", r.Method, r.URL.Path))
	})
	a.mux.Handle("/sim", http.RedirectHandler("/sim/", http.StatusMovedPermanently))
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff") // an upload is shown as it came, and never as a page
	if err := a.foreign.Check(r); err != nil {
		a.fail(w, r, refuse(http.StatusForbidden, "the request comes from a page of another site: %v", err))
		return
	}
	if !ours(r.Host, a.Rest.PublicURL) {
		a.fail(w, r, refuse(http.StatusForbidden, "%q may be the name of another site: use the address, or start the simulator with the URL by which you reach it (--public-url)", r.Host))
		return
	}
	a.mux.ServeHTTP(w, r)
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	var p *problem
	if errors.As(err, &p) {
		status = p.status
	} else {
		a.Logger.Error("control request failed", "path", r.URL.Path, "error", err)
	}
	reply(w, status, map[string]string{"error": err.Error()})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // a caller that went away needs no answer
}

func answer(w http.ResponseWriter, v any) error {
	reply(w, http.StatusOK, v)
	return nil
}

func decode(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return refuse(http.StatusBadRequest, "the body is not what %s takes: %v", r.URL.Path, err)
	}
	return nil
}

// waiting bounds a request that waits; name is the query member that holds the duration.
func waiting(r *http.Request, name string) (context.Context, context.CancelFunc, error) {
	d := defaultWait
	if text := r.URL.Query().Get(name); text != "" {
		var err error
		if d, err = time.ParseDuration(text); err != nil || d < 0 {
			return nil, nil, refuse(http.StatusBadRequest, "%s=%q must be a duration such as 5s", name, text)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(d, maxWait))
	return ctx, cancel, nil
}

func number(r *http.Request, name string) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, refuse(http.StatusBadRequest, "%s=%q must be a number of 0 or more", name, text)
	}
	return n, nil
}

func flag(r *http.Request, name string) bool {
	on, err := strconv.ParseBool(r.URL.Query().Get(name))
	return err == nil && on
}
