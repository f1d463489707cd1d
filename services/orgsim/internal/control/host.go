package control

import (
	"net/netip"
	"net/url"
	"strings"
)

// privateNames end the names that the public DNS never hands out (RFC 6761, RFC 6762, RFC 8375 and the zone that ICANN
// keeps for private use).
var privateNames = []string{".localhost", ".local", ".internal", ".test", ".home.arpa"}

// ours tells whether a Host header names this org: an address, a name that only a private network knows, or the public
// URL's host. Any other name may be that of a page whose owner made it resolve to this machine, so that a browser takes
// the org for a part of that site.
func ours(host, publicURL string) bool {
	name := (&url.URL{Host: host}).Hostname()
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !strings.Contains(name, ".") {
		return true
	}
	for _, end := range privateNames {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	public, err := url.Parse(publicURL)
	return err == nil && strings.EqualFold(name, strings.TrimSuffix(public.Hostname(), "."))
}
