package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bulkhead/libs/catalog"
)

const (
	// usageFor is how long an answer of an org counts; a status page must not eat the budget that it shows.
	usageFor = time.Minute
	// usageTimeout bounds asking one org: a status does not hang on an org that is down.
	usageTimeout = 5 * time.Second
)

// errNoUsage is what a status says of an org that takes its time.
var errNoUsage = fmt.Errorf("no reply within %s", usageTimeout)

// dailyRequests is the limit that API usage counts against (REST API Developer Guide, Limits resource).
const dailyRequests = "DailyApiRequests"

// orgs asks Salesforce on behalf of the verbs.
type orgs struct {
	catalog *catalog.Catalog
	now     func() time.Time

	mu    sync.Mutex
	known map[string]usage
}

type usage struct {
	at          time.Time
	id          string
	used, limit int64
	err         error
}

func newOrgs(c *catalog.Catalog, now func() time.Time) *orgs {
	return &orgs{catalog: c, now: now, known: map[string]usage{}}
}

// Usage is the org's id and API usage, at most a minute old; where the org does not tell them, as it told them last.
func (o *orgs) Usage(ctx context.Context, org string) (string, int64, int64, error) {
	o.mu.Lock()
	u, ok := o.known[org]
	o.mu.Unlock()
	if !ok || o.now().Sub(u.at) >= usageFor {
		last := u
		if u = o.ask(ctx, org); u.err != nil {
			u.id, u.used, u.limit = last.id, last.used, last.limit
		}
		o.mu.Lock()
		o.known[org] = u
		o.mu.Unlock()
	}
	return u.id, u.used, u.limit, u.err
}

// LastUsage is what Usage said last of the org, and asks nobody.
func (o *orgs) LastUsage(_ context.Context, org string) (string, int64, int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	u := o.known[org]
	return u.id, u.used, u.limit, u.err
}

func (o *orgs) ask(ctx context.Context, org string) usage {
	ctx, cancel := context.WithTimeoutCause(ctx, usageTimeout, errNoUsage)
	defer cancel()
	u := usage{at: o.now()}
	client, err := o.catalog.Client(ctx, org)
	if err != nil {
		u.err = err
		return u
	}
	limits, err := client.Limits(ctx)
	if err != nil {
		u.err = err
		return u
	}
	if l, ok := limits[dailyRequests]; ok {
		u.used, u.limit = int64(l.Max-l.Remaining), int64(l.Max)
	}
	u.id, u.err = client.OrgID(ctx)
	return u
}
