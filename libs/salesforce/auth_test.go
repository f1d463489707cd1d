package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/libs/record"
)

func noLimits(_ int, w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{})
}

func TestLogin(t *testing.T) {
	t.Run("the credentials travel in the body, the trimmed secret among them", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		var form map[string][]string
		o.login = func(_ int, w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			form = r.PostForm
			if r.Header.Get("Authorization") != "" || r.Header.Get("User-Agent") != "bulkhead" {
				t.Errorf("headers: %v", r.Header)
			}
			o.grant(w, "t", testOrg)
		}
		id, err := o.client().Identity(t.Context())
		if err != nil || id.OrgID != testOrg || id.UserID != testUser || id.InstanceURL != o.server.URL {
			t.Fatalf("got %+v, %v", id, err)
		}
		for name, want := range map[string]string{"grant_type": "client_credentials", "client_id": "consumer-key", "client_secret": "s3cret-value"} {
			if len(form[name]) != 1 || form[name][0] != want {
				t.Errorf("%s is %q, want %q", name, form[name], want)
			}
		}
	})
	t.Run("one login serves many callers at once", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		c := o.client()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := c.Limits(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := o.loginCount(); n != 1 {
			t.Errorf("%d logins, want 1", n)
		}
	})
	t.Run("many callers with a lost session log in once more", func(t *testing.T) {
		o := newScriptedOrg(t, nil)
		o.answer = func(_ int, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer token1" {
				writeError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
				return
			}
			writeJSON(w, http.StatusOK, map[string]any{})
		}
		c := o.client()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := c.Limits(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := o.loginCount(); n != 2 {
			t.Errorf("%d logins, want 2", n)
		}
	})
	t.Run("a caller that gives up waiting leaves the others alone", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		hold := make(chan struct{})
		arrived := make(chan struct{})
		o.login = func(_ int, w http.ResponseWriter, _ *http.Request) {
			close(arrived)
			<-hold
			o.grant(w, "t", testOrg)
		}
		c := o.client()
		first := make(chan error, 1)
		go func() { _, err := c.OrgID(context.WithoutCancel(t.Context())); first <- err }()
		<-arrived
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.OrgID(impatient); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(hold)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
	t.Run("an unreachable token endpoint is tried again", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		o.login = func(n int, w http.ResponseWriter, _ *http.Request) {
			switch n {
			case 1:
				writePage(w, http.StatusServiceUnavailable)
			case 2:
				cutConnection()
			default:
				o.grant(w, "t", testOrg)
			}
		}
		if _, err := o.client().OrgID(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("a page instead of a token is tried again and is no fault of the credentials", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		o.login = func(_ int, w http.ResponseWriter, _ *http.Request) { writePage(w, http.StatusOK) }
		_, err := o.client().OrgID(t.Context())
		if err == nil || IsAuth(err) || ClassOf(err) != record.ClassTransient || o.loginCount() != 3 {
			t.Errorf("got %v after %d logins", err, o.loginCount())
		}
	})
	t.Run("a secret that cannot be read is named, and nothing is sent", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		c := o.client(func(cfg *Config) {
			cfg.ClientSecret = func() (string, error) { return "", errors.New("open secret.txt: no such file") }
		})
		_, err := c.OrgID(t.Context())
		if !IsAuth(err) || !strings.Contains(err.Error(), "secret.txt") || o.loginCount() != 0 {
			t.Errorf("got %v", err)
		}
	})
}

func TestRefusedLogins(t *testing.T) {
	for _, test := range []struct {
		name, code, text, want string
	}{
		{"wrong secret", "invalid_client", "invalid client credentials", "check the client id"},
		{"unknown consumer key", "invalid_client_id", "client identifier invalid", "check the client id"},
		{"no run-as user", "invalid_grant", "no client credentials user enabled", "set a run-as user"},
		{"login on the shared host", "invalid_grant", "request not supported on this domain", "use the org's own domain"},
		{"flow not allowed", "unsupported_grant_type", "grant type not supported", "allow the client credentials flow"},
		{"app missing", "app_not_found", "External client app is not installed in this org", "install the external client app"},
	} {
		t.Run(test.name+" is an auth error with a remedy, tried once", func(t *testing.T) {
			o := newScriptedOrg(t, noLimits)
			o.login = func(_ int, w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, http.StatusBadRequest, map[string]string{"error": test.code, "error_description": test.text})
			}
			_, err := o.client().Limits(t.Context())
			if !IsAuth(err) || !Definite(err) || o.loginCount() != 1 {
				t.Fatalf("got %v after %d logins", err, o.loginCount())
			}
			for _, want := range []string{"POST oauth2/token", test.code, test.text, test.want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the secret is in %q", err)
			}
		})
	}
	reply := func(o *scriptedOrg, change func(map[string]string)) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) {
			m := map[string]string{
				"access_token": "t-secret-1", "instance_url": o.server.URL, "token_type": "Bearer",
				"id": o.server.URL + "/id/" + testOrg + "/" + testUser,
			}
			change(m)
			writeJSON(w, http.StatusOK, m)
		}
	}
	for name, change := range map[string]func(map[string]string){
		"a reply without an instance url":          func(m map[string]string) { delete(m, "instance_url") },
		"an instance url elsewhere":                func(m map[string]string) { m["instance_url"] = "https://evil.example" },
		"a reply without an identity":              func(m map[string]string) { delete(m, "id") },
		"an identity that is no org and user":      func(m map[string]string) { m["id"] = "https://x/id/abc/def" },
		"an identity with the org's place taken":   func(m map[string]string) { m["id"] = "https://x/id/" + testUser + "/" + testUser },
		"a token of another type":                  func(m map[string]string) { m["token_type"] = "MAC" },
		"a token that would break out of a header": func(m map[string]string) { m["access_token"] = "a\r\nX: y" },
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			o := newScriptedOrg(t, noLimits)
			o.login = reply(o, change)
			_, err := o.client().Limits(t.Context())
			if !IsAuth(err) || len(o.calls()) != 0 {
				t.Errorf("got %v and %d calls", err, len(o.calls()))
			}
			if err != nil && strings.Contains(err.Error(), "t-secret-1") {
				t.Errorf("the token is in %q", err)
			}
		})
	}
}

func TestTheOrgMustStayTheSame(t *testing.T) {
	const other = "00D000000000002EAA"
	t.Run("another org than the pinned one is refused before any call", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		c := o.client(func(cfg *Config) { cfg.PinnedOrgID = other })
		_, err := c.Limits(t.Context())
		mismatch, ok := errors.AsType[*OrgMismatchError](err)
		if !ok || mismatch.Want != other || mismatch.Got != testOrg || !IsAuth(err) || !Definite(err) || len(o.calls()) != 0 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("without a pin the first org seen is it", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		o.login = func(n int, w http.ResponseWriter, _ *http.Request) {
			org := testOrg
			if n > 1 {
				org = other
			}
			o.grant(w, fmt.Sprintf("token%d", n), org)
		}
		c := o.client()
		if org, err := c.OrgID(t.Context()); err != nil || org != testOrg {
			t.Fatalf("got %q, %v", org, err)
		}
		if _, err := c.CheckOrg(t.Context()); !IsAuth(err) {
			t.Errorf("the swap went unnoticed: %v", err)
		}
		if _, err := c.Limits(t.Context()); !IsAuth(err) || len(o.calls()) != 0 {
			t.Errorf("a call was made after the swap: %v", err)
		}
	})
}

func TestLostSessions(t *testing.T) {
	t.Run("a call that changes something is repeated after a 401, which comes before the request is looked at", func(t *testing.T) {
		o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				writeError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
				return
			}
			writeJSON(w, http.StatusOK, map[string]any{"id": testJob, "state": "UploadComplete"})
		})
		if info, err := o.client().CloseJob(t.Context(), testJob); err != nil || info.State != StateUploadComplete {
			t.Fatalf("got %+v, %v", info, err)
		}
		calls := o.calls()
		if len(calls) != 2 || calls[0].token != "token1" || calls[1].token != "token2" {
			t.Errorf("calls: %+v", calls)
		}
	})
	t.Run("a second 401 is final", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
		})
		_, err := o.client().Job(t.Context(), testJob)
		if !IsAuth(err) || !Definite(err) || o.loginCount() != 2 || len(o.calls()) != 2 {
			t.Errorf("got %v after %d logins and %d calls", err, o.loginCount(), len(o.calls()))
		}
	})
	t.Run("a session that the API does not take is not renewed", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeError(w, http.StatusUnauthorized, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
		})
		if _, err := o.client().Job(t.Context(), testJob); !IsAuth(err) || o.loginCount() != 1 {
			t.Errorf("got %v after %d logins", err, o.loginCount())
		}
	})
	t.Run("a redirect to a login page is not followed, and renewed once for a reading call", func(t *testing.T) {
		elsewhere := newScriptedOrg(t, noLimits)
		o := newScriptedOrg(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				http.Redirect(w, r, elsewhere.server.URL+"/login", http.StatusFound)
				return
			}
			writeJSON(w, http.StatusOK, map[string]any{"id": testJob, "state": "Open"})
		})
		if _, err := o.client().Job(t.Context(), testJob); err != nil || o.loginCount() != 2 {
			t.Errorf("got %v after %d logins", err, o.loginCount())
		}
		if len(elsewhere.calls()) != 0 {
			t.Error("the redirect was followed")
		}
	})
	t.Run("a redirected close has an unknown effect and is sent once", func(t *testing.T) {
		o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusTemporaryRedirect)
		})
		_, err := o.client().CloseJob(t.Context(), testJob)
		if err == nil || Definite(err) || !IsAuth(err) || len(o.calls()) != 1 {
			t.Errorf("got %v after %d calls", err, len(o.calls()))
		}
	})
	t.Run("a session is renewed before an upload when it is old", func(t *testing.T) {
		now := time.Unix(1_700_000_000, 0)
		o := newScriptedOrg(t, noLimits)
		c := o.client(func(cfg *Config) { cfg.Now = func() time.Time { return now } })
		if s, err := c.uploadSession(t.Context()); err != nil || s.token.value() != "token1" {
			t.Fatal(err)
		}
		now = now.Add(maxUploadSessionAge - time.Second)
		if s, _ := c.uploadSession(t.Context()); s.token.value() != "token1" {
			t.Error("renewed too early")
		}
		now = now.Add(time.Second)
		if s, _ := c.uploadSession(t.Context()); s.token.value() != "token2" {
			t.Error("not renewed")
		}
	})
}
