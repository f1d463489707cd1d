package salesforce

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// salesforceDomains are the domains under which Salesforce serves orgs; an instance URL elsewhere is refused unless it is the
// configured login host itself.
var salesforceDomains = []string{".salesforce.com", ".salesforce.mil", ".force.com"}

// hostName is a name of at least two labels in the letters that DNS has. Names in other alphabets are refused before anything is compared: several of
// their letters become ASCII ones when case is ignored.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$`)

// parseLoginURL checks the configured login URL and returns it as scheme and host only.
func parseLoginURL(raw string, allowLoopback bool) (*url.URL, error) {
	if raw == "" {
		return nil, fmt.Errorf("login url is empty: give the org's own domain, such as https://acme.my.salesforce.com")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("login url: not a url")
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("login url must not hold a user or password: use the client id and secret")
	case u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, fmt.Errorf("login url %q: give scheme and host only, such as https://acme.my.salesforce.com", clip(raw, maxNameRunes))
	case isLoopback(u.Hostname()) && (u.Scheme == "http" || u.Scheme == "https"):
		if !allowLoopback {
			return nil, fmt.Errorf("login url %q is on this machine: set allowInsecureLoopback if that is a simulator", clip(raw, maxNameRunes))
		}
	case u.Scheme != "https":
		return nil, fmt.Errorf("login url %q: https is required, because the client secret travels over it", clip(raw, maxNameRunes))
	case !ofSalesforce(u.Hostname()):
		return nil, fmt.Errorf("login url %q is on no host of Salesforce: give the org's own domain, such as https://acme.my.salesforce.com", clip(raw, maxNameRunes))
	}
	// In one spelling: an assertion names it as its audience, which the org compares as text.
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	}
	return &url.URL{Scheme: u.Scheme, Host: host}, nil
}

// parseInstanceURL checks the instance URL of a token reply, to which the access token will be sent: https, a host of
// Salesforce or the login host, no address, port, user or path. A loopback instance is good only for a loopback login, and that has no other.
func parseInstanceURL(raw string, login *url.URL) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || raw == "" || u.Host == "" {
		return "", fmt.Errorf("the login reply names no instance url")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("the instance url of the login reply holds more than scheme and host")
	}
	base, host := u.Scheme+"://"+u.Host, u.Hostname()
	if isLoopback(login.Hostname()) {
		if isLoopback(host) && (u.Scheme == "http" || u.Scheme == "https") {
			return base, nil
		}
		return "", fmt.Errorf("the instance url of the login reply leads from this machine to host %q", clip(host, maxNameRunes))
	}
	if u.Scheme != "https" {
		return "", fmt.Errorf("the instance url of the login reply is not https (host %q)", clip(host, maxNameRunes))
	}
	if hostName.MatchString(host) && strings.EqualFold(u.Host, login.Host) {
		return base, nil
	}
	if u.Port() != "" && u.Port() != "443" {
		return "", fmt.Errorf("the instance url of the login reply names port %s", clip(u.Port(), maxNameRunes))
	}
	if ofSalesforce(host) {
		return base, nil
	}
	return "", fmt.Errorf("the instance url of the login reply is on host %q, which is neither the login host nor one of Salesforce", clip(host, maxNameRunes))
}

// ofSalesforce says whether a host is below one of Salesforce's domains. Look-alikes in other alphabets are not.
func ofSalesforce(host string) bool {
	if !hostName.MatchString(host) {
		return false
	}
	host = strings.ToLower(host)
	for _, domain := range salesforceDomains {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}

func isLoopback(host string) bool {
	if strings.ToLower(host) == "localhost" { // EqualFold takes letters of other alphabets for these
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// newHTTPClient takes the injected client, or makes one, without what would break the package's promises: redirects (they
// would carry the token elsewhere), cookies, and a total timeout (it would cut long result files).
func newHTTPClient(cfg Config, login *url.URL) *http.Client {
	hc := &http.Client{}
	if cfg.HTTP != nil {
		*hc = *cfg.HTTP
	}
	if hc.Transport == nil {
		hc.Transport = newTransport(login)
	}
	hc.Jar, hc.Timeout = nil, 0
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return hc
}

func newTransport(login *url.URL) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: login})
	if err == nil && proxy == nil && !isLoopback(login.Hostname()) {
		// With a proxy the addresses dialled are the proxy's, chosen by the operator; without one they come from DNS.
		dialer.ControlContext = refuseLocalAddress
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    16,
		MaxConnsPerHost:        64, // far above the workers of one process; a bound against a runaway
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  2 * time.Second, // an edge that ignores Expect costs this once per upload
		MaxResponseHeaderBytes: maxHeaderBytes,
		// A connection that something on the way has dropped in silence is noticed, instead of swallowing call after call until it times out.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// refuseLocalAddress keeps a forged DNS answer from leading the client to this machine or to a cloud's metadata address. Private
// ranges are allowed: Salesforce is reachable on them through private links.
func refuseLocalAddress(_ context.Context, _, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %q: not an address", address)
	}
	ip := addr.Addr().Unmap()
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return fmt.Errorf("the org's host resolves to %s, an address of this machine or link: check DNS", ip)
	}
	return nil
}
