package control_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"bulkhead/services/orgsim/internal/fault"
	"bulkhead/services/orgsim/internal/switches"
	"bulkhead/services/orgsim/simtest"
)

// TestGuide keeps docs/guides/simulator.md true.
func TestGuide(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/guides/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	has := func(t *testing.T, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(page, part) {
				t.Errorf("it lacks %s", part)
			}
		}
	}
	s := simtest.Start(t)
	t.Run("it names every route, and what each takes", func(t *testing.T) {
		var index struct {
			Endpoints []struct{ Method, Path, Does, Query, Body string }
		}
		_, body := ask(t, s, "GET", "", "")
		if err := json.Unmarshal([]byte(body), &index); err != nil || len(index.Endpoints) < 20 {
			t.Fatalf("%v in %s", err, body)
		}
		for _, e := range index.Endpoints {
			has(t, "| `"+e.Method+" "+e.Path+"` | "+e.Does+" |", "`"+strings.ReplaceAll(e.Query, " ", "` `")+"`")
			if e.Body != "" {
				has(t, "`"+e.Body+"`")
			}
		}
	})
	t.Run("it names every kind of fault, endpoint and profile", func(t *testing.T) {
		for _, k := range fault.Kinds() {
			has(t, "`"+string(k)+"`")
		}
		for _, e := range fault.Endpoints {
			has(t, "`"+string(e)+"`")
		}
		for _, p := range fault.Profiles {
			has(t, "`"+string(p)+"`")
		}
	})
	t.Run("its rules are taken", func(t *testing.T) {
		blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(page, -1)
		if len(blocks) < 2 {
			t.Fatalf("%d examples", len(blocks))
		}
		for _, b := range blocks {
			if status, answer := ask(t, s, "POST", "faults", b[1]); status != http.StatusOK {
				t.Errorf("%s\n%s", b[1], answer)
			}
		}
	})
	t.Run("it has every switch with its question and its positions, the default first", func(t *testing.T) {
		for _, w := range switches.All {
			var positions []string
			for _, a := range w.Positions {
				positions = append(positions, "`"+string(a.Position)+"`: "+a.Means)
			}
			has(t, "| `"+string(w.Name)+"` | "+w.Question+" | "+strings.Join(positions, "<br>")+" |")
		}
	})
	t.Run("it has every setting", func(t *testing.T) {
		for name := range s.Settings() {
			has(t, "`"+name+"`")
		}
	})
}

func TestEveryRouteTakesItsExample(t *testing.T) {
	s := simtest.Start(t)
	var index struct {
		Endpoints []struct{ Method, Path, Body string }
	}
	_, body := ask(t, s, "GET", "", "")
	if err := json.Unmarshal([]byte(body), &index); err != nil {
		t.Fatal(err)
	}
	for _, e := range index.Endpoints {
		if e.Method != "POST" {
			continue
		}
		t.Run(e.Path, func(t *testing.T) {
			if status, answer := ask(t, s, "POST", strings.TrimPrefix(e.Path, "/sim/"), e.Body); status != http.StatusOK {
				t.Errorf("%d %s", status, answer)
			}
		})
	}
}
