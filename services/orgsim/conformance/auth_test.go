package conformance

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bulkhead/services/orgsim/app"
	"bulkhead/services/orgsim/simtest"
)

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// clientForm is a token request with the client's id and secret and whatever else a flow wants.
func (o *org) clientForm(grant string, members ...string) url.Values {
	form := url.Values{"grant_type": {grant}, "client_id": {o.clientID}, "client_secret": {o.secret}}
	for i := 0; i < len(members); i += 2 {
		form.Set(members[i], members[i+1])
	}
	return form
}

// tokens is a success body of the token endpoint, by member.
func (o *org) tokens(a answer) map[string]any {
	o.t.Helper()
	return decode[map[string]any](o.t, o.want(a, http.StatusOK))
}

// tokenRefused fails the test unless the token endpoint said no in these words.
func (o *org) tokenRefused(a answer, code, description string) {
	o.t.Helper()
	o.want(a, http.StatusBadRequest)
	got := decode[map[string]string](o.t, a)
	if got["error"] != code || got["error_description"] != description || !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
		o.t.Errorf("got %s, Cache-Control %q; want %s, %s, no-store", a.body, a.header.Get("Cache-Control"), code, description)
	}
}

// as makes calls in the session of another reply.
func (o *org) as(reply map[string]any) *org {
	other := *o
	other.token, _ = reply["access_token"].(string)
	return &other
}

// alive says whether the session opens the API.
func (o *org) alive() bool {
	o.t.Helper()
	a := o.call("GET", data+"/limits", "")
	if a.status != http.StatusOK && a.status != http.StatusUnauthorized {
		o.t.Fatalf("got %d %s", a.status, a.body)
	}
	return a.status == http.StatusOK
}

var (
	idForms     = regexp.MustCompile(`^https?://[^/]+/id/(00D[A-Za-z0-9]{15})/(005[A-Za-z0-9]{15})$`)
	tokenForm   = regexp.MustCompile(`^(00D[A-Za-z0-9]{12})!\S+$`)
	millisForm  = regexp.MustCompile(`^\d{13}$`)
	restRefused = "This session is not valid for use with the REST API"
	expired     = "Session expired or invalid"
)

func TestClientCredentials(t *testing.T) {
	o := theOrg(t)
	if o.secret == "" {
		t.Skip("left out: " + envSecretFile + " names no secret for client credentials")
	}
	t.Run("a success has the members of the flow, the time in milliseconds as text, and nothing on its expiry", func(t *testing.T) {
		a := o.tokenRequest(o.clientForm("client_credentials"))
		reply := o.tokens(a)
		if got := a.header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
			t.Errorf("a token may be stored: %q", got)
		}
		for _, name := range []string{"access_token", "signature", "scope", "instance_url", "id", "token_type", "issued_at", "api_instance_url"} {
			if s, _ := reply[name].(string); s == "" {
				t.Errorf("%s: %v", name, reply[name])
			}
		}
		for _, name := range []string{"expires_in", "refresh_token"} {
			if _, has := reply[name]; has {
				t.Errorf("it has %s", name)
			}
		}
		if reply["token_type"] != "Bearer" || !millisForm.MatchString(reply["issued_at"].(string)) {
			t.Errorf("got %v", reply)
		}
	})
	t.Run("the id names org and user in 18 characters, the token begins with the org in 15", func(t *testing.T) {
		reply := o.tokens(o.tokenRequest(o.clientForm("client_credentials")))
		id, token := idForms.FindStringSubmatch(reply["id"].(string)), tokenForm.FindStringSubmatch(reply["access_token"].(string))
		if id == nil || token == nil || id[1][:15] != token[1] {
			t.Errorf("id %v, token beginning with %.18v", reply["id"], reply["access_token"])
		}
	})
	t.Run("the instance URL has no trailing slash, and calls go there", func(t *testing.T) {
		reply := o.tokens(o.tokenRequest(o.clientForm("client_credentials")))
		base := reply["instance_url"].(string)
		if strings.HasSuffix(base, "/") {
			t.Errorf("got %s", base)
		}
		o.want(o.as(reply).at(base, "GET", data+"/limits", ""), http.StatusOK)
	})
	t.Run("takes the client by HTTP Basic too", func(t *testing.T) {
		a := o.tokenRequest(url.Values{"grant_type": {"client_credentials"}}, func(r *http.Request) { r.SetBasicAuth(o.clientID, o.secret) })
		o.want(a, http.StatusOK)
	})
	t.Run("takes a chunked body", func(t *testing.T) {
		o.want(o.tokenRequest(o.clientForm("client_credentials"), func(r *http.Request) { r.ContentLength = -1 }), http.StatusOK)
	})
	t.Run("refuses an unknown client", func(t *testing.T) {
		o.tokenRefused(o.tokenRequest(o.clientForm("client_credentials", "client_id", "nobody")), "invalid_client_id", "client identifier invalid")
	})
	t.Run("refuses a wrong secret", func(t *testing.T) {
		o.tokenRefused(o.tokenRequest(o.clientForm("client_credentials", "client_secret", "wrong")), "invalid_client", "invalid client credentials")
	})
	t.Run("refuses a flow that there is not", func(t *testing.T) {
		o.tokenRefused(o.tokenRequest(o.clientForm("magic")), "unsupported_grant_type", "grant type not supported")
	})
}

func TestClientCredentialsOfAnOrg(t *testing.T) {
	o := aSim(t)
	form := o.clientForm("client_credentials")
	t.Run("they say nothing to the hosts that all orgs share", func(t *testing.T) {
		for _, host := range []string{"login.salesforce.com", "test.salesforce.com:443"} {
			a := o.tokenRequest(form, func(r *http.Request) { r.Host = host })
			o.tokenRefused(a, "invalid_grant", "request not supported on this domain")
		}
	})
	t.Run("they need a user to run as", func(t *testing.T) {
		o.sim.PutUser(o.sim.Username, map[string]any{"approval": "not_admin_approved"})
		o.tokenRefused(o.tokenRequest(form), "invalid_grant", "no client credentials user enabled")
		o.sim.PutUser(o.sim.Username, map[string]any{"approval": "approved", "active": false})
		o.tokenRefused(o.tokenRequest(form), "invalid_grant", "user is inactive")
		o.sim.PutUser(o.sim.Username, map[string]any{"active": true})
		o.want(o.tokenRequest(form), http.StatusOK)
	})
	t.Run("an org without the app says so", func(t *testing.T) {
		const text = "External client app is not installed in this org"
		o.sim.AddFault(simtest.Fault{
			Match:  simtest.Match{Endpoint: "token"},
			Effect: simtest.Effect{Kind: "status", Status: http.StatusBadRequest, Code: "app_not_found", Message: text},
		})
		o.tokenRefused(o.tokenRequest(form), "app_not_found", text)
	})
	t.Run("behind another address the org names the one that it was told", func(t *testing.T) {
		o := aSim(t, simtest.With(func(opts *app.Options) { opts.PublicURL = "https://org.example/" }))
		reply := o.tokens(o.tokenRequest(o.clientForm("client_credentials")))
		if reply["instance_url"] != "https://org.example" || !strings.HasPrefix(reply["id"].(string), "https://org.example/id/00D") {
			t.Errorf("got %v", reply)
		}
	})
}

func TestPassword(t *testing.T) {
	o := aSim(t, simtest.With(func(opts *app.Options) { opts.Password = "secret+token" }))
	members := []string{"access_token", "id", "instance_url", "issued_at", "scope", "signature", "token_type"}
	t.Run("a success has the members of the flow", func(t *testing.T) {
		reply := o.tokens(o.tokenRequest(o.clientForm("password", "username", o.sim.Username, "password", "secret+token")))
		if names := slices.Sorted(maps.Keys(reply)); !slices.Equal(names, members) || !o.as(reply).alive() {
			t.Errorf("got %v", names)
		}
	})
	t.Run("refuses a wrong password and an unknown user in the same words", func(t *testing.T) {
		for _, form := range []url.Values{
			o.clientForm("password", "username", o.sim.Username, "password", "secret"),
			o.clientForm("password", "username", "nobody@elsewhere.example", "password", "secret+token"),
			o.clientForm("password"),
		} {
			o.tokenRefused(o.tokenRequest(form), "invalid_grant", "authentication failure")
		}
	})
	t.Run("refuses a wrong secret of the client", func(t *testing.T) {
		form := o.clientForm("password", "username", o.sim.Username, "password", "secret+token", "client_secret", "x")
		o.tokenRefused(o.tokenRequest(form), "invalid_client", "invalid client credentials")
	})
}

func TestRefresh(t *testing.T) {
	o := aSim(t)
	refresh := o.sim.RefreshToken(o.sim.Username)
	members := []string{"access_token", "id", "instance_url", "issued_at", "scope", "signature", "token_type"}
	t.Run("opens a session and tells no new refresh token, with the secret or without", func(t *testing.T) {
		without := o.clientForm("refresh_token", "refresh_token", refresh)
		without.Del("client_secret")
		for _, form := range []url.Values{o.clientForm("refresh_token", "refresh_token", refresh), without} {
			reply := o.tokens(o.tokenRequest(form))
			if names := slices.Sorted(maps.Keys(reply)); !slices.Equal(names, members) || !o.as(reply).alive() {
				t.Errorf("got %v", names)
			}
		}
	})
	t.Run("refuses a wrong secret", func(t *testing.T) {
		form := o.clientForm("refresh_token", "refresh_token", refresh, "client_secret", "x")
		o.tokenRefused(o.tokenRequest(form), "invalid_client", "invalid client credentials")
	})
	t.Run("outlives the sessions", func(t *testing.T) {
		o.sim.ExpireTokens()
		o.want(o.tokenRequest(o.clientForm("refresh_token", "refresh_token", refresh)), http.StatusOK)
	})
	t.Run("a revoked one is over, and so are its sessions", func(t *testing.T) {
		reply := o.tokens(o.tokenRequest(o.clientForm("refresh_token", "refresh_token", refresh)))
		o.want(o.tokenRequest(url.Values{"token": {refresh}}, revoke), http.StatusOK)
		o.tokenRefused(o.tokenRequest(o.clientForm("refresh_token", "refresh_token", refresh)), "invalid_grant", "expired access/refresh token")
		if o.as(reply).alive() {
			t.Error("its session is alive")
		}
	})
}

// revoke sends a token request to the other endpoint.
func revoke(r *http.Request) { r.URL.Path = "/services/oauth2/revoke" }
