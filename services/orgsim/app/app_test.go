package app_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/services/orgsim/app"
)

func stop(t *testing.T, a *app.App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestTheOrgStartsAndStops(t *testing.T) {
	a, err := app.New(app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a.URL() != "" {
		t.Errorf("it has the URL %s before it is started", a.URL())
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(a.URL() + "/sim/")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", res, err)
	}
	_ = res.Body.Close()
	if err := a.Start(t.Context()); err == nil {
		t.Error("it was started twice")
	}
	stop(t, a)
	stop(t, a)
	if err := a.Wait(); err != nil {
		t.Errorf("serving ended with %v", err)
	}
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(a.URL(), "http://"), time.Second); err == nil {
		t.Error("the port is still open")
	}
}

func TestStoppingEndsTheWaitsOfCallers(t *testing.T) {
	a, err := app.New(app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	arrived := make(chan struct{})
	go func() {
		defer close(ended)
		close(arrived)
		res, err := http.Get(a.URL() + "/sim/calls?wait=2m")
		if err == nil {
			_ = res.Body.Close()
		}
	}()
	<-arrived
	stop(t, a)
	<-ended
}

func TestAnOrgNeedsNoListener(t *testing.T) {
	a, err := app.New(app.Options{PublicURL: "https://org.example/"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/services/oauth2/token", strings.NewReader("grant_type=client_credentials&client_id=bulkhead&client_secret=bulkhead-dev"))
	a.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"instance_url":"https://org.example"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	stop(t, a)
}

func TestBadOptionsAreRefused(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	bad := filepath.Join(t.TempDir(), "model.yaml")
	if err := os.WriteFile(bad, []byte("objects: [{name: X}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		does string
		opts app.Options
		part string
	}{
		{"a port that is taken", app.Options{Listen: l.Addr().String()}, l.Addr().String()},
		{"a model file that is not there", app.Options{ModelFile: bad + ".none"}, "no such file"},
		{"a model that makes no sense", app.Options{ModelFile: bad}, "keyPrefix"},
		{"a setting that makes no sense", app.Options{ParallelBatches: -1}, "parallel_batches"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			a, err := app.New(tc.opts)
			if err == nil {
				err = a.Start(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), tc.part) {
				t.Errorf("got %v, want something about %q", err, tc.part)
			}
		})
	}
}

func TestTheDefaultModelCanBeUsedAsAFile(t *testing.T) {
	if _, err := app.New(app.Options{Model: app.DefaultModel()}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"name: Account", "name: Contact", "Loyalty_Number__c", "External_Id__c"} {
		if !strings.Contains(string(app.DefaultModel()), part) {
			t.Errorf("it lacks %s", part)
		}
	}
}
