package salesforce

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// keyLogin logs in by key and returns the form that was sent.
func keyLogin(t *testing.T, now time.Time, change ...func(*Config)) url.Values {
	t.Helper()
	o := newScriptedOrg(t, noLimits)
	var form url.Values
	o.login = func(_ int, w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		form = r.PostForm
		o.grant(w, "t", testOrg)
	}
	c := o.client(append([]func(*Config){withKey, func(cfg *Config) { cfg.Now = func() time.Time { return now } }}, change...)...)
	if _, err := c.Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	return form
}

// claims checks an assertion's signature and returns what it claims.
func claims(t *testing.T, assertion string) jwt.MapClaims {
	t.Helper()
	key, err := parsePrivateKey(testKey())
	if err != nil {
		t.Fatal(err)
	}
	out := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	token, err := parser.ParseWithClaims(assertion, out, func(*jwt.Token) (any, error) { return &key.PublicKey, nil })
	if err != nil || token.Header["typ"] != "JWT" {
		t.Fatalf("%v, header %v", err, token.Header)
	}
	return out
}

func TestLoginByKey(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	t.Run("sends the grant and a signed assertion, and nothing else", func(t *testing.T) {
		form := keyLogin(t, now)
		if len(form) != 2 || form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			t.Fatalf("form %v", form)
		}
		got := claims(t, form.Get("assertion"))
		aud, _ := got["aud"].(string)
		if len(got) != 4 || got["iss"] != "consumer-key" || got["sub"] != "loader@example.com" || !strings.HasPrefix(aud, "http://127.0.0.1:") || strings.HasSuffix(aud, "/") {
			t.Errorf("claims %v", got)
		}
		if got["exp"] != float64(now.Add(3*time.Minute).Unix()) {
			t.Errorf("exp %v", got["exp"])
		}
	})
	for login, aud := range map[string]string{
		"https://login.salesforce.com/":                     "https://login.salesforce.com",
		"https://test.salesforce.com":                       "https://test.salesforce.com",
		"https://acme.my.salesforce.com":                    "https://acme.my.salesforce.com",
		"https://acme--dev.sandbox.my.salesforce.com/":      "https://acme--dev.sandbox.my.salesforce.com",
		"https://acme.my.salesforce.mil":                    "https://acme.my.salesforce.mil",
		"https://ACME.my.salesforce.com":                    "https://acme.my.salesforce.com",
		"https://acme.develop.my.salesforce.com":            "https://acme.develop.my.salesforce.com",
		"https://acme--dev.sandbox.lightning.force.com:443": "https://acme--dev.sandbox.lightning.force.com",
	} {
		t.Run("an assertion for "+login+" names that host as its audience", func(t *testing.T) {
			cfg := Config{LoginURL: login, ClientID: "app"}
			withKey(&cfg)
			c, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			assertion, err := c.assertion()
			if err != nil || claims(t, assertion)["aud"] != aud {
				t.Errorf("%v, %v", claims(t, assertion), err)
			}
		})
	}
	t.Run("the end is reckoned by the org's clock once a reply has told it, a refusal too", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		var ends []float64
		o.login = func(n int, w http.ResponseWriter, r *http.Request) {
			end, _ := claims(t, r.PostFormValue("assertion"))["exp"].(float64)
			ends = append(ends, end)
			w.Header().Set("Date", now.Add(time.Hour).UTC().Format(http.TimeFormat))
			if n == 1 {
				writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": "expired"})
				return
			}
			o.grant(w, "t", testOrg)
		}
		c := o.client(withKey, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
		if _, err := c.Identity(t.Context()); err != nil {
			t.Error(err)
		}
		if want := float64(now.Add(time.Hour + 3*time.Minute).Unix()); len(ends) != 2 || ends[1] != want {
			t.Errorf("ends %v, want %v at last", ends, want)
		}
	})
	t.Run("a clock that is never right is corrected once a login, then the refusal stands", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		o.login = func(n int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", now.Add(time.Duration(n)*200*365*24*time.Hour).UTC().Format(http.TimeFormat))
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": "expired"})
		}
		c := o.client(withKey, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
		if _, err := c.Identity(t.Context()); !IsAuth(err) || !strings.Contains(err.Error(), "clock") || o.loginCount() != 2 {
			t.Errorf("%d logins, %v", o.loginCount(), err)
		}
	})
	t.Run("the key is asked for at each login, so that a changed one is picked up", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		asked := 0
		c := o.client(withKey, func(cfg *Config) {
			cfg.PrivateKey = func() ([]byte, error) { asked++; return testKey(), nil }
		})
		for range 2 {
			if _, err := c.CheckOrg(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
	t.Run("a key that cannot be read is named, and nothing is sent", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		c := o.client(withKey, func(cfg *Config) {
			cfg.PrivateKey = func() ([]byte, error) { return nil, errors.New("open key.pem: no such file") }
		})
		_, err := c.OrgID(t.Context())
		if !IsAuth(err) || !strings.Contains(err.Error(), "key.pem") || o.loginCount() != 0 {
			t.Errorf("got %v", err)
		}
	})
}

func TestRefusedLoginsByKey(t *testing.T) {
	for text, want := range map[string]string{
		"user hasn't approved this consumer": "approved",
		"user is not admin approved":         "permission set",
		"user is inactive":                   "activate",
		"invalid assertion":                  "check client id and username",
		"invalid signature":                  "certificate",
		"invalid audience":                   "login url",
		"authentication failure":             "locked out",
		"expired access/refresh token":       "clock",
		"something new":                      "policies",
	} {
		t.Run(text+" is an auth error with a remedy, tried once", func(t *testing.T) {
			o := newScriptedOrg(t, noLimits)
			o.login = func(_ int, w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": text})
			}
			_, err := o.client(withKey).Limits(t.Context())
			if !IsAuth(err) || !Definite(err) || o.loginCount() != 1 {
				t.Fatalf("got %v after %d logins", err, o.loginCount())
			}
			for _, want := range []string{"POST oauth2/token", "invalid_grant", text, want} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
	t.Run("the token endpoint's own failure is no fault of the credentials", func(t *testing.T) {
		o := newScriptedOrg(t, noLimits)
		o.login = func(_ int, w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "unknown_error", "error_description": "retry your request"})
		}
		if _, err := o.client(withKey).Limits(t.Context()); err == nil || IsAuth(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPrivateKeys(t *testing.T) {
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	good, _ := pem.Decode(testKey())
	key, err := x509.ParsePKCS1PrivateKey(good.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve8, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	certificate := block("CERTIFICATE", []byte("whatever"))
	for name, text := range map[string][]byte{
		"PKCS 1": testKey(), "PKCS 8": block("PRIVATE KEY", pkcs8), "a key behind its certificate": append(bytes.Clone(certificate), testKey()...),
		"a key with notes before it": append([]byte("Bag Attributes\n    friendlyName: x\n"), testKey()...), "a key with Windows line ends": bytes.ReplaceAll(testKey(), []byte("\n"), []byte("\r\n")),
	} {
		t.Run(name+" is read", func(t *testing.T) {
			if got, err := parsePrivateKey(text); err != nil || !got.Equal(key) {
				t.Error(err)
			}
		})
	}
	for name, bad := range map[string]struct {
		text []byte
		want string
	}{
		"an empty file":                {nil, "no PEM"},
		"no PEM":                       {[]byte("s3cret"), "no PEM"},
		"a certificate alone":          {certificate, "CERTIFICATE"},
		"a key under a passphrase":     {block("ENCRYPTED PRIVATE KEY", []byte("s3cret")), "passphrase"},
		"an old key under one":         {pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("s3cret")}), "passphrase"},
		"a damaged key":                {block("RSA PRIVATE KEY", good.Bytes[:100]), "damaged"},
		"a damaged key, PKCS 8":        {block("PRIVATE KEY", pkcs8[:100]), "damaged"},
		"a short key":                  {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short)), "1024 bits"},
		"an elliptic curve key":        {block("EC PRIVATE KEY", []byte("x")), "RSA"},
		"an elliptic curve in PKCS 8":  {block("PRIVATE KEY", curve8), "RSA"},
		"what is far too long":         {bytes.Repeat([]byte("s3cret"), maxKeyBytes), "bytes"},
		"many blocks that are no keys": {bytes.Repeat(certificate, 9), "CERTIFICATE, CERTIFICATE, CERTIFICATE:"},
	} {
		t.Run(name+" is refused with what to do", func(t *testing.T) {
			_, err := parsePrivateKey(bad.text)
			if err == nil || !strings.Contains(err.Error(), bad.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzPrivateKey: whatever a key's file holds, it is a good key or refused, and never repeated.
func FuzzPrivateKey(f *testing.F) {
	f.Add(testKey())
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE\n-----END RSA PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := parsePrivateKey(text)
		if (err == nil) != (key != nil) || err != nil && len(err.Error()) > 4*maxMessageRunes {
			t.Fatalf("%v, %v", key != nil, err)
		}
	})
}
