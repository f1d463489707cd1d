package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSessions(t *testing.T) {
	o := theOrg(t)
	limits := data + "/limits"
	header := func(text string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", text) }
	}
	t.Run("a token opens the API in both schemes", func(t *testing.T) {
		o.want(o.call("GET", limits, "", header("Bearer "+o.token)), http.StatusOK)
		o.want(o.call("GET", limits, "", header("OAuth "+o.token)), http.StatusOK)
	})
	t.Run("without one, or with one that is none, the answer is 401", func(t *testing.T) {
		for _, change := range []func(*http.Request){func(r *http.Request) { r.Header.Del("Authorization") }, header("Bearer " + o.token[:18] + "nonsense")} {
			a := o.call("GET", limits, "", change)
			if o.refused(a, http.StatusUnauthorized, "INVALID_SESSION_ID") != expired {
				t.Errorf("got %s", a.body)
			}
		}
	})
	t.Run("a body that cannot be read is no way around it", func(t *testing.T) {
		a := o.call("POST", ingest, "no gzip", gzipBody, func(r *http.Request) { r.Header.Del("Authorization") })
		o.refused(a, http.StatusUnauthorized, "INVALID_SESSION_ID")
	})
	t.Run("the version list needs none", func(t *testing.T) {
		o.want(o.call("GET", "/services/data", "", func(r *http.Request) { r.Header.Del("Authorization") }), http.StatusOK)
	})
	t.Run("a revoked one is over", func(t *testing.T) {
		own := *o
		own.signIn()
		o.want(o.tokenRequest(url.Values{"token": {own.token}}, revoke), http.StatusOK)
		if own.alive() {
			t.Error("it is alive")
		}
	})
}

func TestTheEndOfASession(t *testing.T) {
	o := aSim(t)
	t.Run("it ends by the org's setting, and the answer is 401", func(t *testing.T) {
		o.signIn()
		o.sim.Advance(2*time.Hour - time.Second)
		if !o.alive() {
			t.Error("it ended too early")
		}
		o.sim.Advance(time.Second)
		a := o.call("GET", data+"/limits", "")
		if o.refused(a, http.StatusUnauthorized, "INVALID_SESSION_ID"); a.body != `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]` {
			t.Errorf("got %s", a.body)
		}
	})
	t.Run("a session that is not for this API is refused in other words", func(t *testing.T) {
		o.signIn()
		o.sim.RestrictTokens()
		a := o.call("GET", data+"/limits", "")
		if o.refused(a, http.StatusUnauthorized, "INVALID_SESSION_ID") != restRefused {
			t.Errorf("got %s", a.body)
		}
		o.signIn()
		if !o.alive() {
			t.Error("a new one is refused too")
		}
	})
	t.Run("it ends with its user", func(t *testing.T) {
		o.signIn()
		o.sim.PutUser(o.sim.Username, map[string]any{"active": false})
		if o.alive() {
			t.Error("it is alive")
		}
		o.sim.PutUser(o.sim.Username, map[string]any{"active": true})
	})
}

func TestIdentity(t *testing.T) {
	o := theOrg(t)
	t.Run("the user info names user, org and username", func(t *testing.T) {
		who := decode[map[string]any](t, o.want(o.call("GET", "/services/oauth2/userinfo", ""), http.StatusOK))
		if id, _ := who["sub"].(string); idForms.FindStringSubmatch(id) == nil || !strings.HasSuffix(id, "/"+who["organization_id"].(string)+"/"+who["user_id"].(string)) {
			t.Errorf("got %v", who)
		}
		if name, _ := who["preferred_username"].(string); !strings.Contains(name, "@") {
			t.Errorf("got %v", who)
		}
	})
	t.Run("the identity URL takes the token in the query", func(t *testing.T) {
		info := decode[map[string]any](t, o.want(o.call("GET", "/services/oauth2/userinfo", ""), http.StatusOK))
		sub := info["sub"].(string)
		id, err := url.Parse(sub)
		if err != nil {
			t.Fatal(err)
		}
		q := url.Values{"format": {"json"}, "oauth_token": {o.token}}
		a := o.call("GET", id.Path+"?"+q.Encode(), "", func(r *http.Request) { r.Header.Del("Authorization") })
		who := decode[map[string]any](t, o.want(a, http.StatusOK))
		for name, same := range map[string]string{"id": "sub", "user_id": "user_id", "organization_id": "organization_id", "username": "preferred_username"} {
			if want, _ := info[same].(string); want == "" || who[name] != want {
				t.Errorf("%s is %v, want %q", name, who[name], want)
			}
		}
	})
}

func TestTokensStayOutOfTheCallLog(t *testing.T) {
	o := aSim(t)
	o.call("GET", "/id/"+o.sim.OrgID()+"/x?oauth_token="+url.QueryEscape(o.token), "")
	a := o.at(o.base, "GET", "/sim/calls", "")
	_, secret, _ := strings.Cut(o.token, "!")
	if o.want(a, http.StatusOK); strings.Contains(a.body, secret) || !strings.Contains(a.body, "/id/") {
		t.Errorf("got %s", a.body)
	}
}
