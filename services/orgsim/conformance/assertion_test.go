package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// signer is the key and the user of the JWT bearer flow.
func signer(t testing.TB, o *org) (*rsa.PrivateKey, string) {
	t.Helper()
	var text []byte
	user := os.Getenv(envUsername)
	if o.sim != nil {
		text, user = o.sim.PrivateKey(), o.sim.Username
	} else if text, _ = os.ReadFile(os.Getenv(envKeyFile)); text == nil || user == "" {
		t.Skip("left out: " + envKeyFile + " and " + envUsername + " name no key and no user for the JWT bearer flow")
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(text)
	if err != nil {
		t.Fatalf("the private key: %v", err)
	}
	return key, user
}

// assert asks for a session with an assertion of these claims.
func (o *org) assert(method jwt.SigningMethod, key any, claims jwt.MapClaims) answer {
	o.t.Helper()
	signed, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		o.t.Fatal(err)
	}
	return o.tokenRequest(url.Values{"grant_type": {jwtBearer}, "assertion": {signed}})
}

func TestJWTBearer(t *testing.T) {
	o := theOrg(t)
	key, user := signer(t, o)
	soon := time.Now().Add(3 * time.Minute)
	good := jwt.MapClaims{"iss": o.clientID, "sub": user, "aud": o.login, "exp": soon.Unix()}
	with := func(name string, value any) jwt.MapClaims {
		c := maps.Clone(good)
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return c
	}
	t.Run("a success has the members of the flow, and neither time nor signature nor refresh token", func(t *testing.T) {
		reply := o.tokens(o.assert(jwt.SigningMethodRS256, key, good))
		names := slices.Sorted(maps.Keys(reply))
		for _, name := range []string{"access_token", "scope", "instance_url", "id", "token_type"} {
			if !slices.Contains(names, name) {
				t.Errorf("there is no %s in %v", name, names)
			}
		}
		for _, name := range []string{"issued_at", "signature", "refresh_token", "expires_in"} {
			if slices.Contains(names, name) {
				t.Errorf("there is %s in %v", name, names)
			}
		}
		if reply["token_type"] != "Bearer" || !o.as(reply).alive() {
			t.Error("the session opens nothing")
		}
	})
	for _, tc := range []struct {
		does   string
		claims jwt.MapClaims
	}{
		{"takes an end in milliseconds", with("exp", soon.UnixMilli())},
		{"takes an end as text", with("exp", strconv.FormatInt(soon.Unix(), 10))},
		{"takes an end far ahead", with("exp", soon.AddDate(5, 0, 0).Unix())},
		{"takes the org's own URL with a slash behind it", with("aud", o.login+"/")},
		{"takes the login host of all orgs for an audience", with("aud", "https://login.salesforce.com")},
		{"takes the login host of all sandboxes for an audience", with("aud", "https://test.salesforce.com")},
		{"takes a list of audiences", with("aud", []string{"https://elsewhere.example", o.login})},
		{"does not look at when the assertion was made", with("iat", time.Now().Add(time.Hour).Unix())},
	} {
		t.Run(tc.does, func(t *testing.T) { o.want(o.assert(jwt.SigningMethodRS256, key, tc.claims), http.StatusOK) })
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		does        string
		claims      jwt.MapClaims
		code, words string
	}{
		{"refuses an end in the past", with("exp", time.Now().Add(-10*time.Minute).Unix()), "invalid_grant", "invalid assertion"},
		{"refuses an end in the past as text", with("exp", "1700000000"), "invalid_grant", "invalid assertion"},
		{"refuses an assertion without an end", with("exp", nil), "invalid_grant", "invalid assertion"},
		{"refuses an end that is no time", with("exp", "soon"), "invalid_grant", "invalid assertion"},
		{"refuses another audience", with("aud", "https://elsewhere.example"), "invalid_grant", "invalid audience"},
		{"refuses an assertion without an audience", with("aud", nil), "invalid_grant", "invalid audience"},
		{"refuses an unknown client", with("iss", "nobody"), "invalid_client_id", "client identifier invalid"},
		{"refuses an unknown user", with("sub", "nobody@elsewhere.example"), "invalid_grant", "user hasn't approved this consumer"},
	} {
		t.Run(tc.does, func(t *testing.T) {
			o.tokenRefused(o.assert(jwt.SigningMethodRS256, key, tc.claims), tc.code, tc.words)
		})
	}
	t.Run("refuses another key", func(t *testing.T) {
		o.tokenRefused(o.assert(jwt.SigningMethodRS256, stranger, good), "invalid_grant", "invalid signature")
	})
	t.Run("refuses an assertion without a signature, or with one of another sort", func(t *testing.T) {
		o.tokenRefused(o.assert(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good), "invalid_grant", "invalid signature")
		o.tokenRefused(o.assert(jwt.SigningMethodHS256, []byte(o.clientID), good), "invalid_grant", "invalid signature")
	})
	t.Run("refuses what is no assertion", func(t *testing.T) {
		for _, text := range []string{"", "x", "a.b.c", "e30.bm90IGpzb24.e30"} {
			a := o.tokenRequest(url.Values{"grant_type": {jwtBearer}, "assertion": {text}})
			o.tokenRefused(a, "invalid_grant", "invalid assertion")
		}
	})
}

func TestJWTBearerOfUsers(t *testing.T) {
	o := aSim(t)
	key, _ := signer(t, o)
	ask := func(user string) answer {
		return o.assert(jwt.SigningMethodRS256, key, jwt.MapClaims{
			"iss": o.clientID, "sub": user, "aud": o.login, "exp": time.Now().Add(time.Minute).Unix(),
		})
	}
	const user = "clerk@elsewhere.example"
	id := o.sim.PutUser(user, nil)
	t.Run("the session is the user's", func(t *testing.T) {
		reply := o.tokens(ask(user))
		if !strings.HasSuffix(reply["id"].(string), "/"+id) {
			t.Errorf("got %v, want %s", reply["id"], id)
		}
	})
	for _, tc := range []struct {
		does, words string
		change      map[string]any
	}{
		{"refuses a user who never approved the app", "user hasn't approved this consumer", map[string]any{"approval": "not_approved"}},
		{"refuses a user whom no admin let in", "user is not admin approved", map[string]any{"approval": "not_admin_approved"}},
		{"refuses a user who is inactive", "user is inactive", map[string]any{"approval": "approved", "active": false}},
	} {
		t.Run(tc.does, func(t *testing.T) {
			o.sim.PutUser(user, tc.change)
			o.tokenRefused(ask(user), "invalid_grant", tc.words)
		})
	}
	t.Run("an end is a time of the caller's, wherever the org's clock stands", func(t *testing.T) {
		past := jwt.MapClaims{"iss": o.clientID, "sub": o.sim.Username, "aud": o.login, "exp": time.Now().Add(-10 * time.Minute).Unix()}
		for _, moved := range []time.Duration{25 * time.Hour, -50 * time.Hour} {
			o.sim.Advance(moved)
			if !o.as(o.tokens(ask(o.sim.Username))).alive() {
				t.Error("the session opens nothing")
			}
			o.tokenRefused(o.assert(jwt.SigningMethodRS256, key, past), "invalid_grant", "invalid assertion")
		}
	})
}
