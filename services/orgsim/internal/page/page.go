package page

import (
	"bytes"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"bulkhead/services/orgsim/internal/bulk"
	"bulkhead/services/orgsim/internal/calls"
	"bulkhead/services/orgsim/internal/clock"
	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/settings"
	"bulkhead/services/orgsim/internal/switches"
)

// Root is the path below which the pages stand. The first of them answers under /sim/ as well.
const Root = "/sim/page/"

// maxForm bounds what a form may send, in bytes.
const maxForm = 2 << 20

// Config is what the pages show and change; all members are needed.
type Config struct {
	Store    *org.Store
	Jobs     *bulk.Manager
	Clock    *clock.Clock
	Settings *settings.Store
	Switches *switches.Store
	Faults   *fault.Set
	Calls    *calls.Log
	Logger   *slog.Logger
	// APICalls is how many calls count against the daily limit now.
	APICalls func() int
	// ExpireTokens ends every session, Reset empties the org.
	ExpireTokens func()
	Reset        func()
}

// Handler serves the pages. It is safe for concurrent use.
type Handler struct {
	Config
	mux   *http.ServeMux
	pages map[string]*template.Template
}

//go:embed html
var files embed.FS

// names are the templates beside the frame that all of them share.
var names = []string{"overview", "jobs", "job", "records", "record", "calls", "faults", "behaviour", "problem"}

// New returns the pages of an org.
func New(c Config) *Handler {
	h := &Handler{Config: c, mux: http.NewServeMux(), pages: map[string]*template.Template{}}
	for _, name := range names {
		h.pages[name] = template.Must(template.New("frame.html").Funcs(functions).ParseFS(files, "html/frame.html", "html/"+name+".html"))
	}
	h.show("GET /sim/{$}", h.overview)
	h.show("GET "+Root+"{$}", h.overview)
	h.show("GET "+Root+"jobs", h.jobs)
	h.show("GET "+Root+"jobs/{id}", h.job)
	h.show("GET "+Root+"records/{object}", h.records)
	h.show("GET "+Root+"records/{object}/{id}", h.record)
	h.show("GET "+Root+"calls", h.calls)
	h.show("GET "+Root+"faults", h.faults)
	h.show("GET "+Root+"behaviour", h.behaviour)
	h.act("faults/add", "faults", h.addFaults)
	h.act("faults/draw", "faults", h.drawFaults)
	h.act("faults/remove", "faults", h.removeFaults)
	h.act("clock", "behaviour", h.moveClock)
	h.act("switches", "behaviour", h.moveSwitches)
	h.act("settings", "behaviour", h.changeSettings)
	h.act("tokens/expire", "behaviour", h.expireTokens)
	h.act("reset", "", h.reset)
	h.mux.HandleFunc(Root, func(w http.ResponseWriter, r *http.Request) {
		h.fail(w, r, refuse(http.StatusNotFound, "There is no page %s %s.", r.Method, r.URL.Path))
	})
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// view is one page: its template, its title and what the template shows.
type view struct {
	name  string
	title string
	data  any
}

// problem is a refusal that the caller can do something about.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func refuse(status int, format string, args ...any) error {
	return &problem{status, fmt.Sprintf(format, args...)}
}

func (h *Handler) show(pattern string, page func(*http.Request) (view, error)) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v, err := page(r)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		h.render(w, r, http.StatusOK, v)
	})
}

// act serves a form: it changes something and then leads to a page.
func (h *Handler) act(path, next string, change func(*http.Request) error) {
	h.mux.HandleFunc("POST "+Root+path, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		err := r.ParseForm()
		if err != nil {
			err = refuse(http.StatusBadRequest, "The form could not be read: %v", err)
		} else {
			err = change(r)
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		http.Redirect(w, r, Root+next, http.StatusSeeOther)
	})
}

func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	var p *problem
	if errors.As(err, &p) {
		status = p.status
	} else {
		h.Logger.Error("page failed", "path", r.URL.Path, "error", err)
	}
	h.render(w, r, status, view{name: "problem", title: http.StatusText(status), data: err.Error()})
}

// frame is what every page shows around its own.
type frame struct {
	Title     string
	Nonce     string
	OrgID     string
	Username  string
	Now       time.Time
	APICalls  int
	APILimit  int
	Faults    int // rules that may still take effect
	Here      string
	Data      any
	Root      string
	Refreshes bool // reading again shows something new and loses nothing
}

func (h *Handler) render(w http.ResponseWriter, r *http.Request, status int, v view) {
	who := h.Store.Identity()
	f := frame{
		Title: v.title, Nonce: rand.Text(), OrgID: who.OrgID, Username: who.Username, Now: h.Clock.Now(), APICalls: h.APICalls(),
		APILimit: h.Settings.Get().DailyAPILimit, Here: v.name, Data: v.data, Root: Root, Refreshes: v.name != "problem" && v.name != "behaviour",
	}
	for _, rule := range h.Faults.List() {
		if *rule.Times == 0 || rule.Hits < *rule.Times {
			f.Faults++
		}
	}
	var out bytes.Buffer
	if err := h.pages[v.name].Execute(&out, f); err != nil {
		h.Logger.Error("page failed", "path", r.URL.Path, "error", err)
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Cache-Control", "no-store")
	head.Set("Referrer-Policy", "same-origin")
	head.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+f.Nonce+"'; script-src 'nonce-"+f.Nonce+
		"'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // a reader that went away needs no page
}

// place reads a whole number of 0 or more from the query; absent is 0.
func place(r *http.Request, name string) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, refuse(http.StatusBadRequest, "%s=%q must be a number of 0 or more.", name, text)
	}
	return n, nil
}
