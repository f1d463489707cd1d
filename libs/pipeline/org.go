package pipeline

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"bulkhead/libs/record"
)

// Ways of logging in.
const (
	AuthClientCredentials = "client_credentials"
	AuthJWT               = "jwt"
)

// What to do with orphans: open jobs of ours that nothing is bound to.
const (
	OrphansReport = "report"
	OrphansAbort  = "abort"
)

// Org is one Salesforce org. Credentials are references, never values.
type Org struct {
	Name     string
	LoginURL string
	Auth     string
	ClientID string
	// ClientSecretFile and ClientSecretEnv say where the secret is; exactly one is set for client_credentials.
	ClientSecretFile, ClientSecretEnv string
	// PrivateKeyFile is the PEM of the key whose certificate the app has, Username the user to act as; both are for jwt.
	PrivateKeyFile, Username string
	// APIVersion is a version such as 66.0.
	APIVersion string
	// OrgID pins the org: another one behind the same login is refused. "" = not pinned.
	OrgID string
	// Orphans is what to do with jobs that nothing is bound to.
	Orphans string
	// Classes are the org's own rules for the classes of refused rows, before those that come with the client.
	Classes []record.ClassRule
	// AllowInsecureLoopback allows http to this machine, for the simulator.
	AllowInsecureLoopback bool
}

// DefaultAPIVersion is used where an org names none.
const DefaultAPIVersion = "66.0"

var (
	apiVersion = regexp.MustCompile(`^(6[1-9]|[7-9][0-9])\.0$`)
	// salesforceHost is what a login is sent to; the client checks it again.
	salesforceHost = regexp.MustCompile(`(?i)^[a-z0-9.-]+\.salesforce\.(com|mil)$`)
	envName        = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	anyText        = regexp.MustCompile(`^[^\x00-\x20\x7f][^\x00-\x1f\x7f]{0,999}$`)
)

// ParseOrg reads one org. The error joins everything that is wrong, each an [*Error] with its line. No file is opened and nobody is called.
func ParseOrg(yaml []byte) (*Org, error) {
	r := &reader{}
	f, ok := r.document(yaml)
	if !ok {
		return nil, r.err()
	}
	f.constant("kind", "Org") // apiVersion is Salesforce's here, so kind alone says what the document is
	o := &Org{Name: f.name("name")}
	urlLine := f.lineOf("loginUrl")
	o.LoginURL = f.required("loginUrl", anyText, "the address to log in at, such as https://example.my.salesforce.com")
	o.AllowInsecureLoopback = f.boolean("allowInsecureLoopback", false)
	if o.LoginURL != "" {
		if problem := checkLoginURL(o.LoginURL, o.AllowInsecureLoopback); problem != "" {
			r.fail(urlLine, "loginUrl: %s", problem)
		}
	}
	if _, ok := f.nodes["auth"]; !ok {
		r.fail(f.line, "auth is missing: %s or %s", AuthClientCredentials, AuthJWT)
	}
	o.Auth = f.choice("auth", "", []string{AuthClientCredentials, AuthJWT})
	o.ClientID = f.required("clientId", anyText, "the consumer key of the connected app")
	o.readCredentials(f)
	o.APIVersion = DefaultAPIVersion
	if text, at, ok := f.text("apiVersion"); ok {
		if !apiVersion.MatchString(text) {
			r.fail(at, "apiVersion: %q is no version from 61.0 on, such as %q", cutName(text), DefaultAPIVersion)
		}
		o.APIVersion = text
	}
	if text, at, ok := f.text("orgId"); ok {
		id, good := record.LongID(text)
		if !good || !strings.HasPrefix(text, "00D") {
			r.fail(at, "orgId: %q is no id of an org (00D and 15 or 18 characters in all)", cutName(text))
		}
		o.OrgID = id
	}
	o.Orphans = f.choice("orphans", OrphansReport, []string{OrphansReport, OrphansAbort})
	o.Classes = readClassRules(f)
	f.end()
	if err := r.err(); err != nil {
		return nil, err
	}
	return o, nil
}

func (o *Org) readCredentials(f *fields) {
	only := func(auth string, keys ...string) {
		for _, key := range keys {
			if at := f.lineOf(key); f.take(key) != nil && o.Auth != "" {
				f.r.fail(at, "%s belongs to auth %s, not to %s", key, auth, o.Auth)
			}
		}
	}
	switch o.Auth {
	case AuthClientCredentials:
		_, file := f.nodes["clientSecretFile"]
		_, env := f.nodes["clientSecretEnv"]
		if file == env {
			f.r.fail(f.line, "auth %s needs exactly one of clientSecretFile and clientSecretEnv", AuthClientCredentials)
		}
		if file {
			o.ClientSecretFile = f.required("clientSecretFile", anyText, "the path of a file")
		}
		if env {
			o.ClientSecretEnv = f.required("clientSecretEnv", envName, "the name of an environment variable")
		}
		only(AuthJWT, "privateKeyFile", "username")
	case AuthJWT:
		o.PrivateKeyFile = f.required("privateKeyFile", anyText, "the path of a file")
		o.Username = f.required("username", anyText, "the user to act as")
		only(AuthClientCredentials, "clientSecretFile", "clientSecretEnv")
	default:
		only("", "clientSecretFile", "clientSecretEnv", "privateKeyFile", "username")
	}
}

// checkLoginURL refuses addresses to which a secret must not be sent.
func checkLoginURL(text string, insecureLoopback bool) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "not an address such as https://example.my.salesforce.com"
	case u.User != nil:
		return "must not hold a user or password"
	case u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return "must be scheme and host only"
	case u.Scheme == "https":
	case u.Scheme != "http":
		return "must begin with https://"
	case !isLoopback(u.Hostname()):
		return "must begin with https://: only this machine may be called without encryption"
	case !insecureLoopback:
		return "calls this machine without encryption: set allowInsecureLoopback: true if it is the simulator"
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !ip.IsLoopback() {
		return "must name a host, not an IP address"
	}
	if !isLoopback(u.Hostname()) && !salesforceHost.MatchString(u.Hostname()) {
		return "names no host of Salesforce: give the org's own domain, such as https://example.my.salesforce.com"
	}
	return ""
}

func isLoopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}
