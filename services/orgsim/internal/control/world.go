package control

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bulkhead/services/orgsim/internal/calls"
	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/rest"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/switches"
)

// wantsPage says that a browser asks: programs name JSON, or nothing.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func (a *API) index(r *http.Request, w http.ResponseWriter) error {
	w.Header().Set("Vary", "Accept")
	if wantsPage(r) {
		a.pages.ServeHTTP(w, r)
		return nil
	}
	who := a.Store.Identity()
	objects := []string{}
	for _, o := range a.Store.Model().Objects {
		objects = append(objects, o.Name)
	}
	var paths []string
	for _, rt := range routes() {
		paths = append(paths, rt.Method+" "+rt.Path)
	}
	return answer(w, map[string]any{
		"org_id": who.OrgID, "user_id": who.UserID, "username": who.Username, "max_version": fmt.Sprintf("%d.0", rest.MaxVersion),
		"now": a.Clock.Now(), "api_calls": a.Rest.APICalls(), "objects": objects, "routes": paths, "endpoints": routes(),
	})
}

func (a *API) calls(r *http.Request, w http.ResponseWriter) error {
	since, err := number(r, "since")
	if err != nil {
		return err
	}
	before, err := number(r, "before")
	if err != nil {
		return err
	}
	limit, err := number(r, "limit")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	f := calls.Filter{
		Since: since, Endpoint: q.Get("endpoint"), Job: q.Get("job"), Done: flag(r, "done"), Limit: int(min(limit, calls.Keep*2)),
		Before: before, Newest: flag(r, "newest"),
	}
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

// collections says in a header how many calls are not kept any more.
func (a *API) collections(_ *http.Request, w http.ResponseWriter) error {
	list, lost := a.Calls.Saved()
	w.Header().Set("Content-Type", ndjson)
	w.Header().Set("Lost", strconv.FormatInt(lost, 10))
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for i := range list {
		if err := enc.Encode(&list[i]); err != nil {
			return fmt.Errorf("calls of collections: %w", err) // the caller went away
		}
	}
	return nil
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
	rules, err := fault.Parse(body)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	ids, err := a.Faults.Add(rules)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	return answer(w, map[string]any{"ids": ids})
}

// drawFaults adds the rules of a seed.
func (a *API) drawFaults(r *http.Request, w http.ResponseWriter) error {
	body := struct {
		Seed    int64         `json:"seed"`
		Profile fault.Profile `json:"profile"`
		Calls   int           `json:"calls"`
	}{Profile: fault.Rough, Calls: fault.DefaultCalls}
	if err := decode(r, &body); err != nil {
		return err
	}
	rules, err := fault.Draw(body.Seed, body.Profile, body.Calls)
	if err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	if _, err := a.Faults.Add(rules); err != nil {
		return refuse(http.StatusConflict, "%v", err)
	}
	return answer(w, rules)
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

func (a *API) clock(_ *http.Request, w http.ResponseWriter) error {
	return answer(w, map[string]any{"now": a.Clock.Now()})
}

func (a *API) moveClock(r *http.Request, w http.ResponseWriter) error {
	var body struct {
		Advance settings.Duration `json:"advance"`
		Set     *time.Time        `json:"set"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	to := a.Clock.Now().Add(time.Duration(body.Advance))
	if body.Set != nil {
		to = *body.Set
	}
	if err := clock.Check(to); err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	switch {
	case body.Set != nil && body.Advance != 0:
		return refuse(http.StatusBadRequest, "give advance or set, not both")
	case body.Set != nil:
		a.Clock.Set(to)
	default:
		a.Clock.Advance(time.Duration(body.Advance))
	}
	return a.clock(r, w)
}

func (a *API) expireTokens(_ *http.Request, w http.ResponseWriter) error {
	a.Rest.ExpireTokens()
	return answer(w, map[string]bool{"ok": true})
}

func (a *API) reset(_ *http.Request, w http.ResponseWriter) error {
	a.empty()
	return answer(w, map[string]bool{"ok": true})
}

// empty stops what runs before it empties what that writes to.
func (a *API) empty() {
	a.Faults.Clear()
	a.Jobs.Reset(a.Store.Reset)
	a.Rest.Reset()
	a.Settings.Reset()
	a.Switches.Reset()
	a.Clock.Reset()
	a.Calls.Reset()
}
