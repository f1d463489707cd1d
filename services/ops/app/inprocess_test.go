package app_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/libs/host"
	"bulkhead/libs/memory/courier"
	"bulkhead/libs/pg"
	"bulkhead/libs/service"
	"bulkhead/libs/testkit"
	"bulkhead/services/ops/app"
)

func TestTheAPIWithoutANetwork(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	tokens := "tokens:\n  - {name: dash, role: viewer, token: viewer-token-0000}\n  - {name: root, role: admin, token: admin-token-00000}\n"
	if err := os.WriteFile(file, []byte(tokens), 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, func(c *app.Config) { c.TokensFile = file })
	db, err := pg.Open(t.Context(), b.dsn, pg.Options{AppName: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	config := b.config(func(c *app.Config) {
		c.TokensFile, c.DSN, c.NATSURL, c.HTTPListen, c.GRPCListen = file, "", "", "", ""
		c.Footing = &host.Footing{DB: db, Bus: courier.Open().As("ops").Conn()}
	})
	// It is not run: its API answers, and two that work would only get into each other's way.
	a, err := app.New(t.Context(), config, service.Env{Logger: testkit.Logger(t), Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	if a.HTTPAddr() != "" || a.GRPCAddr() != "" {
		t.Errorf("it listens on %q and %q", a.HTTPAddr(), a.GRPCAddr())
	}
	for _, c := range []struct{ name, token, method, path, body string }{
		{"a reader without a token", "", http.MethodGet, "/v1/balance", ""},
		{"an unknown token", "wrong-token-0000000", http.MethodGet, "/v1/balance", ""},
		{"a reader", "viewer-token-0000", http.MethodGet, "/v1/balance", ""},
		{"a list", "viewer-token-0000", http.MethodGet, "/v1/dead-letters?page_size=5", ""},
		{"a list of a size that is none", "viewer-token-0000", http.MethodGet, "/v1/dead-letters?page_size=five", ""},
		{"one letter that is not there", "viewer-token-0000", http.MethodGet, "/v1/dead-letters/0190b1b0-7d3e-7c1c-8f5c-1d2e3f405060", ""},
		{"one letter whose id is none", "viewer-token-0000", http.MethodGet, "/v1/dead-letters/x", ""},
		{"a viewer who acts", "viewer-token-0000", http.MethodPost, "/v1/dead-letters:discard", `{"ids":["x"]}`},
		{"an admin whose document is none", "admin-token-00000", http.MethodPut, "/v1/pipelines/x", `{"yaml":"kind: Nothing"}`},
		{"a body that is no JSON", "admin-token-00000", http.MethodPut, "/v1/pipelines/x", `{`},
		{"a verb that is not there", "admin-token-00000", http.MethodPost, "/v1/nothing", `{}`},
		{"the definitions", "viewer-token-0000", http.MethodGet, "/v1/pipelines", ""},
	} {
		t.Run(c.name+" has the same answer as over the network", func(t *testing.T) {
			code, reply := b.call(t, c.method, c.path, c.token, c.body)
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
			w := httptest.NewRecorder()
			a.Handler().ServeHTTP(w, r)
			if w.Code != code || w.Body.String() != string(reply) {
				t.Errorf("%d %s\nover the network %d %s", w.Code, w.Body, code, reply)
			}
		})
	}
}
