package salesforce

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	good := Config{LoginURL: "https://acme.my.salesforce.com", ClientID: "id", ClientSecret: func() (string, error) { return "s", nil }}
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"a missing login url", func(c *Config) { c.LoginURL = "" }, "login url is empty"},
		{"http to a host elsewhere", func(c *Config) { c.LoginURL = "http://acme.my.salesforce.com" }, "https is required"},
		{"http to a host elsewhere, also where loopback is allowed", func(c *Config) { c.LoginURL, c.AllowInsecureLoopback = "http://acme.test", true }, "https is required"},
		{"a loopback host that was not allowed", func(c *Config) { c.LoginURL = "http://127.0.0.1:8082" }, "allowInsecureLoopback"},
		{"a loopback host with https that was not allowed", func(c *Config) { c.LoginURL = "https://localhost:8082" }, "allowInsecureLoopback"},
		{"a host that is not Salesforce's", func(c *Config) { c.LoginURL = "https://acme.my.salesforce.com.example" }, "no host of Salesforce"},
		{"a host that only looks like Salesforce's", func(c *Config) { c.LoginURL = "https://acme.my.sa\u04cfesforce.com" }, "no host of Salesforce"},
		{"a login url with a path", func(c *Config) { c.LoginURL = "https://acme.my.salesforce.com/services" }, "scheme and host only"},
		{"a login url with a query", func(c *Config) { c.LoginURL = "https://acme.my.salesforce.com/?a=b" }, "scheme and host only"},
		{"a login url with a password", func(c *Config) { c.LoginURL = "https://me:hunter2@acme.my.salesforce.com" }, "must not hold a user"},
		{"a login url that is none", func(c *Config) { c.LoginURL = "://" }, "login url"},
		{"an api version without its zero", func(c *Config) { c.APIVersion = "66" }, `write it as "66.0"`},
		{"an api version that hides ids of failed rows", func(c *Config) { c.APIVersion = "52.0" }, "at least 53.0"},
		{"a missing client id", func(c *Config) { c.ClientID = "" }, "client id is empty"},
		{"a missing secret", func(c *Config) { c.ClientSecret = nil }, "client secret is missing"},
		{"a secret and a key", func(c *Config) { withKey(c); c.ClientSecret = good.ClientSecret }, "leave one out"},
		{"a key without a user", func(c *Config) { withKey(c); c.Username = " " }, "username is empty"},
		{"a user without a key", func(c *Config) { c.Username = "loader@example.com" }, "without a private key"},
		{"an org id that is none", func(c *Config) { c.PinnedOrgID = "00D" }, "Company Information"},
		{"an org id that is of something else", func(c *Config) { c.PinnedOrgID = "001000000000001" }, "Company Information"},
		{"a negative timeout", func(c *Config) { c.Timeouts.Idle = -time.Second }, "must not be negative"},
		{"negative tries", func(c *Config) { c.Retry.Tries = -1 }, "must not be negative"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := good
			test.change(&cfg)
			_, err := New(cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want a text with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats a password: %v", err)
			}
		})
	}
	t.Run("all problems are reported together", func(t *testing.T) {
		_, err := New(Config{})
		for _, want := range []string{"login url", "client id", "client secret"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not name %q", err, want)
			}
		}
	})
	t.Run("defaults are filled in", func(t *testing.T) {
		c, err := New(good)
		if err != nil {
			t.Fatal(err)
		}
		if c.cfg.APIVersion != "66.0" || c.cfg.Retry.Tries != 4 || c.cfg.Timeouts.Upload != 10*time.Minute || c.cfg.MaxResultBytes != MaxResultBytes {
			t.Errorf("defaults: %+v", c.cfg)
		}
	})
	t.Run("a 15-character pin is grown to 18", func(t *testing.T) {
		cfg := good
		cfg.PinnedOrgID = testOrg[:15]
		c, err := New(cfg)
		if err != nil || c.org != testOrg {
			t.Errorf("got %v, %v", c, err)
		}
	})
}

func TestTheInstanceURLMustBeOfSalesforce(t *testing.T) {
	login, _ := url.Parse("https://acme.my.salesforce.com")
	proxy, _ := url.Parse("https://crm.acme.test:8443")
	loop, _ := url.Parse("http://127.0.0.1:8082")
	for _, test := range []struct {
		name  string
		login *url.URL
		raw   string
		want  string
	}{
		{"the login host itself is good", login, "https://acme.my.salesforce.com", "https://acme.my.salesforce.com"},
		{"a trailing slash is dropped", login, "https://acme.my.salesforce.com/", "https://acme.my.salesforce.com"},
		{"another host of Salesforce is good", login, "https://na139.salesforce.com", "https://na139.salesforce.com"},
		{"the government's domain is good", login, "https://acme.my.salesforce.mil", "https://acme.my.salesforce.mil"},
		{"a configured host elsewhere is good", proxy, "https://crm.acme.test:8443", "https://crm.acme.test:8443"},
		{"a loopback instance is good for a loopback login", loop, "http://localhost:9000", "http://localhost:9000"},
		{"IPv6 loopback is good for a loopback login", loop, "http://[::1]:9000", "http://[::1]:9000"},
		{"a loopback instance is bad for a real login", login, "http://127.0.0.1:8082", ""},
		{"http is bad", login, "http://acme.my.salesforce.com", ""},
		{"an empty one is bad", login, "", ""},
		{"another host is bad", login, "https://evil.example", ""},
		{"a host that only ends alike is bad", login, "https://evilsalesforce.com", ""},
		{"the bare domain is bad", login, "https://.salesforce.com", ""},
		{"a host with the domain in front is bad", login, "https://acme.salesforce.com.evil.example", ""},
		{"an address is bad", login, "https://10.0.0.1", ""},
		{"another port is bad", login, "https://acme.salesforce.com:8443", ""},
		{"a user is bad", login, "https://acme.salesforce.com@evil.example", ""},
		{"a path is bad", login, "https://acme.salesforce.com/evil", ""},
		{"a query is bad", login, "https://acme.salesforce.com?x=1", ""},
		{"another scheme is bad", login, "ftp://acme.salesforce.com", ""},
		{"a public host is bad for a loopback login over http", loop, "http://evil.example", ""},
		{"a host of Salesforce is bad for a loopback login: a simulator knows none", loop, "https://acme.my.salesforce.com", ""},
		{"capitals are as good as small letters", login, "https://ACME.My.Salesforce.COM", "https://ACME.My.Salesforce.COM"},
		{"the port of https is good", login, "https://na139.salesforce.com:443", "https://na139.salesforce.com:443"},
		{"a sandbox is good", login, "https://acme--dev.sandbox.my.salesforce.com", "https://acme--dev.sandbox.my.salesforce.com"},
		{"a dot at the end is bad", login, "https://acme.my.salesforce.com.", ""},
		{"a letter that becomes an i in small letters is bad", login, "https://acme.salesforce.m\u0130l", ""},
		{"a letter that is an s when case is ignored is bad", login, "https://acme.my.\u017falesforce.com", ""},
		{"such a letter in the login host's own name is bad", login, "https://acme.my.sale\u017fforce.com", ""},
		{"such a letter written in percents is bad", login, "https://acme.my.%C5%BFalesforce.com", ""},
		{"a name in another alphabet is bad", login, "https://\u0430cme.salesforce.com", ""},
		{"an empty label is bad", login, "https://acme..salesforce.com", ""},
		{"a label that begins with a dash is bad", login, "https://-.salesforce.com", ""},
		{"characters that no name has are bad", login, "https://a,b.salesforce.com", ""},
		{"an address in brackets is bad", login, "https://[fe80::1]", ""},
		{"a number for an address is bad", login, "https://2130706433", ""},
		{"a host behind a backslash is bad", login, "https://evil.example\\.salesforce.com", ""},
		{"a space is bad", login, "https://acme.salesforce.com .evil.example", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseInstanceURL(test.raw, test.login)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestAddressesOfThisMachineAreNotDialled(t *testing.T) {
	for address, good := range map[string]bool{
		"127.0.0.1:443": false, "[::1]:443": false, "169.254.169.254:443": false, "[fe80::1]:443": false, "0.0.0.0:443": false,
		"[::ffff:127.0.0.1]:443": false, "224.0.0.1:443": false, "13.110.54.10:443": true, "10.1.2.3:443": true, "nonsense": false,
	} {
		t.Run(address, func(t *testing.T) {
			if err := refuseLocalAddress(t.Context(), "tcp", address, nil); (err == nil) != good {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	const text = "top-s3cret"
	s := newSecret(text)
	holder := struct{ token secret }{s}
	pointer := &session{token: s}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", s, "holder", fmt.Sprintf("%+v", holder))
	for _, printed := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%v %+v %#v", holder, holder, holder),
		fmt.Sprintf("%v %+v %#v", pointer, pointer, pointer), logged.String(),
	} {
		if strings.Contains(printed, text) {
			t.Errorf("printed: %s", printed)
		}
	}
	if s.value() != text || (secret{}).value() != "" {
		t.Error("the value is lost")
	}
}

func TestTheInjectedClientLosesWhatWouldBreakPromises(t *testing.T) {
	cfg := Config{HTTP: &http.Client{Timeout: time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}}
	login, _ := url.Parse("https://acme.my.salesforce.com")
	hc := newHTTPClient(cfg, login)
	if hc.Timeout != 0 || !errors.Is(hc.CheckRedirect(nil, nil), http.ErrUseLastResponse) || hc.Transport == nil {
		t.Errorf("got %+v", hc)
	}
	if cfg.HTTP.Timeout != time.Second {
		t.Error("the caller's client was changed")
	}
}
