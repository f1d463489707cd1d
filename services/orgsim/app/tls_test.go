package app_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"bulkhead/services/orgsim/app"
	"bulkhead/services/orgsim/simtest"
)

func TestTheOrgServesHTTPS(t *testing.T) {
	certFile, keyFile, roots := simtest.Certificate(t)
	a, err := app.New(app.Options{TLSCertFile: certFile, TLSKeyFile: keyFile})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, a)
	client := func(change func(*tls.Config)) *http.Client {
		c := &tls.Config{RootCAs: roots}
		change(c)
		transport := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true, DisableKeepAlives: true}
		return &http.Client{Transport: transport}
	}
	good := client(func(*tls.Config) {})
	post := func(path, kind, body string) (*http.Response, string, error) {
		res, err := good.Post(a.URL()+path, kind, strings.NewReader(body))
		if err != nil {
			return nil, "", err
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		return res, string(text), err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {app.DefaultClientID}, "client_secret": {app.DefaultClientSecret}}.Encode()
	t.Run("its URLs say so, those in its replies too", func(t *testing.T) {
		_, body, err := post("/services/oauth2/token", "application/x-www-form-urlencoded", form)
		if err != nil || !strings.HasPrefix(a.URL(), "https://127.0.0.1:") || !strings.Contains(body, `"instance_url":"`+a.URL()+`"`) || strings.Contains(body, "http://") {
			t.Errorf("%s: %v %s", a.URL(), err, body)
		}
	})
	t.Run("calls come by HTTP/1.1, so that a fault can cut the connection of one", func(t *testing.T) {
		res, _, err := post("/sim/faults", "application/json", `{"match":{"endpoint":"token"},"effect":{"kind":"drop_after"}}`)
		if err != nil || res.Proto != "HTTP/1.1" || res.StatusCode != http.StatusOK {
			t.Fatalf("got %v %v", res, err)
		}
		if res, _, err := post("/services/oauth2/token", "application/x-www-form-urlencoded", form); err == nil {
			t.Errorf("got %v", res)
		}
	})
	t.Run("plain http and TLS before 1.2 lead nowhere", func(t *testing.T) {
		res, err := http.Get("http" + strings.TrimPrefix(a.URL(), "https") + "/services/data")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode < 400 {
				t.Errorf("got %d", res.StatusCode)
			}
		}
		if res, err := client(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }).Get(a.URL() + "/services/data"); err == nil {
			t.Errorf("got %v", res)
		}
	})
}

func TestAPairThatIsNoneIsRefused(t *testing.T) {
	certFile, keyFile, _ := simtest.Certificate(t)
	other, otherKey, _ := simtest.Certificate(t)
	for name, tc := range map[string]struct{ cert, key, part string }{
		"a certificate alone names what it lacks":             {certFile, "", "--tls-cert needs --tls-key"},
		"a key alone names what it lacks":                     {"", keyFile, "--tls-key needs --tls-cert"},
		"a certificate that is not there is named":            {certFile + ".none", keyFile, "--tls-cert: open "},
		"a key that is not there is named":                    {certFile, keyFile + ".none", "--tls-key: open "},
		"the key of another certificate is told":              {certFile, otherKey, "are no pair"},
		"the certificate of another key is told":              {other, keyFile, "are no pair"},
		"two files that are mixed up are told, with a remedy": {keyFile, certFile, "openssl req -x509"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := app.New(app.Options{TLSCertFile: tc.cert, TLSKeyFile: tc.key}); err == nil || !strings.Contains(err.Error(), tc.part) {
				t.Errorf("got %v", err)
			}
		})
	}
}
