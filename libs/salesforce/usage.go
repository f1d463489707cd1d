package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// usage is one reading of the API usage of the org's rolling 24 hours.
type usage struct{ used, max int }

// Usage is the org's API usage as the last reply told it: requests of the rolling 24 hours, by all clients, and the allowance. ok is
// false before the first reply. The allowance is soft at first: used may exceed max.
func (c *Client) Usage() (used, allowed int, ok bool) {
	u := c.usage.Load()
	if u == nil {
		return 0, 0, false
	}
	return u.used, u.max, true
}

// noteUsage keeps what a reply's header tells. A malformed header is ignored: the next reply brings another.
func (c *Client) noteUsage(header http.Header) {
	if u, ok := parseUsage(header.Get("Sforce-Limit-Info")); ok {
		c.usage.Store(&u)
	}
}

// parseUsage reads "api-usage=10018/100000", which may be followed by "; api-bursts=1/750".
func parseUsage(header string) (usage, bool) {
	for part := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name != "api-usage" {
			continue
		}
		a, b, _ := strings.Cut(value, "/")
		used, err1 := strconv.Atoi(strings.TrimSpace(a))
		allowed, err2 := strconv.Atoi(strings.TrimSpace(b))
		if err1 != nil || err2 != nil || used < 0 || allowed <= 0 {
			return usage{}, false
		}
		return usage{used: used, max: allowed}, true
	}
	return usage{}, false
}

// Limit is one limit of the org.
type Limit struct {
	// Max is the allowance, Remaining what is left of it.
	Max, Remaining int64
}

// Limits are the org's limits by name, such as DailyApiRequests and DailyBulkApiBatches. The full list needs the permission "View
// Setup and Configuration"; entries of another shape are left out. It may be sent again.
func (c *Client) Limits(ctx context.Context) (map[string]Limit, error) {
	var raw map[string]json.RawMessage
	if err := c.call(ctx, request{method: http.MethodGet, path: "limits", route: "limits", repeat: true}, &raw); err != nil {
		return nil, err
	}
	limits := make(map[string]Limit, len(raw))
	for name, value := range raw {
		var l struct{ Max, Remaining *int64 }
		if json.Unmarshal(value, &l) == nil && l.Max != nil && l.Remaining != nil {
			limits[name] = Limit{Max: *l.Max, Remaining: *l.Remaining}
		}
	}
	return limits, nil
}
