package load

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"bulkhead/services/e2e/chaos/internal/history"
)

// desk is an instance of ops as operators know it: it has letters and pauses, and remembers what it was told.
type desk struct {
	mu      sync.Mutex
	letters []letter
	fails   int // so many orders are answered with 503 first
	told    []told
	url     string
}

type told struct {
	path, token string
	body        struct {
		IDs    []string `json:"ids"`
		Filter map[string]string
		Key    string `json:"idempotency_key"`
		Reason string
		YAML   string
	}
}

func newDesk(t *testing.T, letters ...letter) *desk {
	t.Helper()
	d := &desk{letters: letters}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		switch {
		case r.URL.Path == "/v1/status":
			_ = json.NewEncoder(w).Encode(map[string]any{"pipelines": []map[string]any{
				{"name": parts, "pauses": []map[string]string{{"service": "submitter", "class": "auth", "code": "LOGIN", "message": "no"}}}, {"name": dated},
			}})
		case r.Method == http.MethodGet:
			_ = json.NewEncoder(w).Encode(map[string]any{"dead_letters": d.letters})
		default:
			x := told{path: r.URL.Path, token: r.Header.Get("Authorization")}
			_ = json.NewDecoder(r.Body).Decode(&x.body)
			d.told = append(d.told, x)
			if d.fails > 0 {
				d.fails--
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = w.Write([]byte("{}"))
		}
	}))
	t.Cleanup(s.Close)
	d.url = s.URL
	return d
}

// all are the orders of one verb, as "key: ids".
func (d *desk) all(verb string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, x := range d.told {
		if strings.HasSuffix(x.path, ":"+verb) {
			_, key, _ := strings.Cut(x.body.Key, "-")
			_, key, _ = strings.Cut(key, "-")
			out = append(out, key+": "+strings.Join(x.body.IDs, " ")+x.body.Filter["code"])
		}
	}
	slices.Sort(out)
	return out
}

type timeline struct {
	mu     sync.Mutex
	events []history.Event
}

func (l *timeline) record(e history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *timeline) done() (n int) {
	for _, e := range l.events {
		if e.Done {
			n++
		}
	}
	return n
}

func some() []letter {
	return []letter{
		{ID: "1", Pipeline: parts, Class: "data", Code: "A"},
		{ID: "2", Pipeline: parts, Class: "data", Code: "A"},
		{ID: "3", Pipeline: parts, Class: "unresolved"},
		{ID: "5", Pipeline: parts, Class: "data", Code: "FRAME_UNREADABLE"},
		{ID: "4", Pipeline: parts, Class: "data", Entity: dropPrefix + "1"},
	}
}

func TestOperators(t *testing.T) {
	tg := func(urls ...string) history.Target {
		return history.Target{OpsURLs: urls, Token: "a token", Since: func() float64 { return 12 }}
	}
	t.Run("two people replay the same letters through both instances and discard what is marked, but nothing unresolved", func(t *testing.T) {
		a, b, line := newDesk(t, some()...), newDesk(t, some()...), &timeline{}
		if err := Replay(t.Context(), tg(a.url, b.url), planOf(4, 1), line.record); err != nil {
			t.Fatal(err)
		}
		if got, want := a.all("replay"), []string{"filter-0: A", "own-0: 2", "same: 1"}; !slices.Equal(got, want) {
			t.Errorf("the first was told %q, want %q", got, want)
		}
		if got, want := b.all("replay"), []string{"filter-1: A", "own-1: 2", "same: 1"}; !slices.Equal(got, want) {
			t.Errorf("the second was told %q, want %q", got, want)
		}
		for _, d := range []*desk{a, b} {
			if got, want := d.all("discard"), []string{"drop: 4"}; !slices.Equal(got, want) {
				t.Errorf("discarded %q, want %q", got, want)
			}
		}
		if line.done() != 8 || a.told[0].token != "Bearer a token" || a.told[0].body.Reason == "" {
			t.Errorf("%+v\n%+v", line.events, a.told)
		}
	})
	t.Run("the timeline says what was ordered of which letters", func(t *testing.T) {
		a, line := newDesk(t, some()...), &timeline{}
		if err := Replay(t.Context(), tg(a.url), planOf(4, 1), line.record); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range line.events {
			if said := strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Order, strings.Join(e.Letters, ","), e.Filter)); !slices.Contains(got, said) {
				got = append(got, said)
			}
		}
		slices.Sort(got)
		if want := []string{"discard 4", "replay  parts/data/A", "replay 1", "replay 2"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
	t.Run("an order that is not answered is given again under its key", func(t *testing.T) {
		a, line := newDesk(t, some()...), &timeline{}
		a.fails = 1
		if err := Heals(t.Context(), tg(a.url, a.url), line.record); err != nil {
			t.Fatal(err)
		}
		orders := a.all("replay")
		if len(orders) != 3 || a.told[0].body.Key != a.told[1].body.Key || a.told[1].body.Key == a.told[2].body.Key || line.done() != 3 || !slices.Equal(a.all("discard"), []string{": 4"}) {
			t.Errorf("%q, %q, %+v", orders, a.all("discard"), line.events)
		}
	})
	t.Run("with one instance gone the other is told what both want", func(t *testing.T) {
		gone := httptest.NewServer(http.NotFoundHandler())
		gone.Close()
		b, line := newDesk(t, some()...), &timeline{}
		if err := Replay(t.Context(), tg(gone.URL, b.url), planOf(4, 1), line.record); err != nil {
			t.Fatal(err)
		}
		if got, want := b.all("replay"), []string{"filter-0: A", "filter-1: A", "own-0: 2", "own-1: 2", "same: 1", "same: 1"}; !slices.Equal(got, want) {
			t.Errorf("the second was told %q, want %q", got, want)
		}
		if line.done() != 8 {
			t.Errorf("%+v", line.events)
		}
	})
	t.Run("only what is paused is resumed", func(t *testing.T) {
		a, line := newDesk(t), &timeline{}
		if err := Resume(t.Context(), tg(a.url, a.url), line.record); err != nil {
			t.Fatal(err)
		}
		if len(a.told) != 1 || a.told[0].path != "/v1/pipelines/parts:resume" || line.done() != 1 || !strings.Contains(line.events[0].Text, "auth LOGIN") {
			t.Errorf("%+v, %+v", a.told, line.events)
		}
	})
	t.Run("two people apply the same changed text", func(t *testing.T) {
		a, b, line := newDesk(t), newDesk(t), &timeline{}
		if err := Change(t.Context(), tg(a.url, b.url), planOf(4, 1), line.record); err != nil {
			t.Fatal(err)
		}
		if len(a.told) != 2 || len(b.told) != 2 || a.told[0].body.YAML != b.told[0].body.YAML || a.told[0].body.YAML == string(Definitions()[parts]) ||
			!strings.Contains(a.told[0].body.YAML, addedColumn.field) {
			t.Errorf("%+v, %+v", a.told, b.told)
		}
	})
}
