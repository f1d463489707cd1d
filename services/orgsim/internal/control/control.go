package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/calls"
	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
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
	paths []string
}

// routes are all paths; the index shows them.
var routes = []struct {
	pattern string
	serve   func(*API, *http.Request, http.ResponseWriter) error
}{
	{"GET /sim/{$}", (*API).index},
	{"GET /sim/counts", (*API).counts},
	{"GET /sim/records/{object}", (*API).records},
	{"GET /sim/records/{object}/{key...}", (*API).record},
	{"GET /sim/groups/{object}", (*API).groups},
	{"GET /sim/calls", (*API).calls},
	{"GET /sim/jobs", (*API).jobs},
	{"GET /sim/jobs/{id}", (*API).job},
	{"GET /sim/jobs/{id}/upload", (*API).upload},
	{"GET /sim/jobs/{id}/rows", (*API).rows},
	{"POST /sim/seed", (*API).seed},
	{"GET /sim/faults", (*API).faults},
	{"POST /sim/faults", (*API).addFaults},
	{"DELETE /sim/faults", (*API).clearFaults},
	{"GET /sim/settings", (*API).settings},
	{"POST /sim/settings", (*API).changeSettings},
	{"GET /sim/switches", (*API).switches},
	{"POST /sim/switches", (*API).moveSwitches},
	{"POST /sim/clock", (*API).moveClock},
	{"POST /sim/tokens/expire", (*API).expireTokens},
	{"POST /sim/reset", (*API).reset},
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
	a := &API{Config: c, mux: http.NewServeMux()}
	for _, rt := range routes {
		a.paths = append(a.paths, rt.pattern)
		a.mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			if err := rt.serve(a, r, w); err != nil {
				a.fail(w, r, err)
			}
		})
	}
	a.mux.HandleFunc("/sim/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, refuse(http.StatusNotFound, "there is no %s %s; GET /sim/ lists what there is", r.Method, r.URL.Path))
	})
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

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

func (a *API) index(_ *http.Request, w http.ResponseWriter) error {
	who := a.Store.Identity()
	objects := []string{}
	for _, o := range a.Store.Model().Objects {
		objects = append(objects, o.Name)
	}
	return answer(w, map[string]any{
		"org_id": who.OrgID, "user_id": who.UserID, "username": who.Username, "max_version": fmt.Sprintf("%d.0", rest.MaxVersion),
		"now": a.Clock.Now(), "api_calls": a.Rest.APICalls(), "objects": objects, "routes": a.paths,
	})
}

func (a *API) calls(r *http.Request, w http.ResponseWriter) error {
	since, err := number(r, "since")
	if err != nil {
		return err
	}
	limit, err := number(r, "limit")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	f := calls.Filter{Since: since, Endpoint: q.Get("endpoint"), Job: q.Get("job"), Done: flag(r, "done"), Limit: int(limit)}
	var list []calls.Call
	if q.Get("wait") == "" {
		list = a.Calls.List(f)
	} else {
		ctx, cancel, err := waiting(r, "wait")
		if err != nil {
			return err
		}
		defer cancel()
		list = a.Calls.Await(ctx, f)
	}
	return answer(w, map[string]any{"calls": list, "lost": a.Calls.Lost()})
}

func (a *API) faults(_ *http.Request, w http.ResponseWriter) error {
	return answer(w, a.Faults.List())
}

// addFaults takes a list of rules, or one rule by itself.
func (a *API) addFaults(r *http.Request, w http.ResponseWriter) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return refuse(http.StatusBadRequest, "the body could not be read: %v", err)
	}
	body = bytes.TrimSpace(body)
	if bytes.HasPrefix(body, []byte("{")) {
		body = append(append([]byte("["), body...), ']')
	}
	var rules []fault.Rule
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rules); err != nil {
		return refuse(http.StatusBadRequest, "the body is no list of fault rules: %v", err)
	}
	ids, err := a.Faults.Add(rules)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	return answer(w, map[string]any{"ids": ids})
}

func (a *API) clearFaults(r *http.Request, w http.ResponseWriter) error {
	return answer(w, map[string]int{"removed": a.Faults.Clear(r.URL.Query()["id"]...)})
}

func (a *API) settings(_ *http.Request, w http.ResponseWriter) error {
	return answer(w, a.Settings.Get())
}

func (a *API) changeSettings(r *http.Request, w http.ResponseWriter) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return refuse(http.StatusBadRequest, "the body could not be read: %v", err)
	}
	set, err := a.Settings.Merge(body)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	return answer(w, set)
}

// switchView is a switch with where it stands.
type switchView struct {
	switches.Switch
	Position switches.Position `json:"position"`
}

func (a *API) switches(_ *http.Request, w http.ResponseWriter) error {
	var list []switchView
	for _, s := range switches.All {
		list = append(list, switchView{s, a.Switches.Get(s.Name)})
	}
	return answer(w, list)
}

func (a *API) moveSwitches(r *http.Request, w http.ResponseWriter) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return refuse(http.StatusBadRequest, "the body could not be read: %v", err)
	}
	if err := a.Switches.Merge(body); err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	return answer(w, a.Switches.Positions())
}

func (a *API) moveClock(r *http.Request, w http.ResponseWriter) error {
	var body struct {
		Advance settings.Duration `json:"advance"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	a.Clock.Advance(time.Duration(body.Advance))
	return answer(w, map[string]any{"now": a.Clock.Now()})
}

func (a *API) expireTokens(_ *http.Request, w http.ResponseWriter) error {
	a.Rest.ExpireTokens()
	return answer(w, map[string]bool{"ok": true})
}

// reset stops what runs before it empties what that writes to.
func (a *API) reset(_ *http.Request, w http.ResponseWriter) error {
	a.Faults.Clear()
	a.Jobs.Reset()
	a.Store.Reset()
	a.Rest.Reset()
	a.Settings.Reset()
	a.Switches.Reset()
	a.Clock.Reset()
	a.Calls.Reset()
	return answer(w, map[string]bool{"ok": true})
}
