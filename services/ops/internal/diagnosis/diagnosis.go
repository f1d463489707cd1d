// Package diagnosis is what ops answers when somebody asks whether all is well with what the installation stands on: it puts the checks of package
// doctor to its own ledger, broker and streams, and looks at the orgs itself.
//
// What always holds: it changes nothing; everything is asked at the same time, and nothing takes longer than [within]; what does not answer in that
// time is a check that says so, never an error. Every org is logged in to anew, but for one whose circuit is open: that one is left alone.
//
// Start reading at [Diagnosis.Checks].
package diagnosis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/doctor"
	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
	opsv1 "bulkhead/proto/gen/bulkhead/ops/v1"
)

// within bounds a whole diagnosis.
const within = 20 * time.Second

// Config is what a diagnosis looks at; every field but Monitors is required.
type Config struct {
	DB         pg.DB
	Migrations pg.Migrations
	Conn       *bus.Conn
	// Monitors are the monitoring addresses of the broker's servers.
	Monitors []string
	// Streams are those that there must be.
	Streams interface {
		Wanted(ctx context.Context) ([]bus.Wanted, error)
	}
	// Circuits are those of all orgs, by name.
	Circuits interface {
		Circuits(ctx context.Context) (map[string]*opsv1.Circuit, error)
	}
	Orgs interface {
		Org(ctx context.Context, name string) (*pipeline.Org, error)
		Client(ctx context.Context, name string) (*salesforce.Client, error)
	}
}

// Diagnosis makes checks. It is safe for concurrent use.
type Diagnosis struct{ c Config }

// New makes it.
func New(c Config) *Diagnosis { return &Diagnosis{c: c} }

// Checks looks at everything.
func (d *Diagnosis) Checks(ctx context.Context) []doctor.Check {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	parts := []func(context.Context) []doctor.Check{d.ledger, d.broker, d.streams, d.orgs}
	found := make([][]doctor.Check, len(parts))
	var wg sync.WaitGroup
	for i, look := range parts {
		wg.Go(func() { found[i] = look(ctx) })
	}
	wg.Wait()
	return slices.Concat(found...)
}

func (d *Diagnosis) ledger(ctx context.Context) []doctor.Check {
	out := doctor.Ledger(ctx, d.c.DB)
	return append(out, doctor.Schemas(ctx, d.c.DB, d.c.Migrations)...)
}

func (d *Diagnosis) broker(ctx context.Context) []doctor.Check {
	return doctor.Broker(ctx, d.c.Conn, d.c.Monitors)
}

func (d *Diagnosis) streams(ctx context.Context) []doctor.Check {
	wanted, err := d.c.Streams.Wanted(ctx)
	if err != nil {
		return []doctor.Check{{Of: "streams", Name: "settings", Result: doctor.Unknown, Found: err.Error(), Fix: "see that PostgreSQL answers"}}
	}
	var out []doctor.Check
	for _, w := range wanted {
		out = append(out, doctor.Stream(ctx, d.c.Conn, w)...)
	}
	return out
}

func (d *Diagnosis) orgs(ctx context.Context) []doctor.Check {
	circuits, err := d.c.Circuits.Circuits(ctx)
	if err != nil {
		return []doctor.Check{{Of: "orgs", Name: "login", Result: doctor.Unknown, Found: err.Error(), Fix: "see that PostgreSQL answers"}}
	}
	names := slices.Sorted(maps.Keys(circuits))
	found := make([][]doctor.Check, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { found[i] = d.org(ctx, name, circuits[name]) })
	}
	wg.Wait()
	return slices.Concat(found...)
}

// org logs in anew and asks for the limits, which shows that the version of the API is known there.
func (d *Diagnosis) org(ctx context.Context, name string, circuit *opsv1.Circuit) []doctor.Check {
	of := "org " + name
	if circuit.GetNextCallSeconds() > 0 {
		return []doctor.Check{{
			Of: of, Name: "login", Result: doctor.Unknown, Fix: "wait for the next call, which is made by itself: bulkhead status",
			Found: fmt.Sprintf("its circuit is open, and nobody calls it: %s", circuit.GetCause()),
		}}
	}
	doc, err := d.c.Orgs.Org(ctx, name)
	var client *salesforce.Client
	if err == nil {
		client, err = d.c.Orgs.Client(ctx, name)
	}
	if err != nil {
		return []doctor.Check{{Of: of, Name: "document", Result: doctor.Wrong, Found: err.Error(), Fix: "mend the org's document, and start ops again with it"}}
	}
	id, err := client.CheckOrg(ctx)
	if err != nil {
		return []doctor.Check{refused(of, err)}
	}
	out := []doctor.Check{{Of: of, Name: "login", Result: doctor.OK, Found: "logged in as " + string(doc.Auth)}, pinned(of, id, doc.OrgID)}
	limits, err := client.Limits(ctx)
	if err != nil {
		return append(out, doctor.Check{
			Of: of, Name: "api", Result: doctor.Wrong, Found: fmt.Sprintf("version %s: %v", doc.APIVersion, err),
			Fix: "name a version that the org knows (apiVersion), and give the integration user the permission API Enabled",
		})
	}
	out = append(out, doctor.Check{Of: of, Name: "api", Result: doctor.OK, Found: "version " + doc.APIVersion + " answers"})
	for _, limit := range []string{"DailyApiRequests", "DailyBulkApiBatches"} {
		if l, ok := limits[limit]; ok {
			out = append(out, left(of, limit, l))
		}
	}
	if ahead, ok := client.Skew(); ok {
		out = append(out, doctor.Skew(of, ahead, time.Second)) // replies tell whole seconds
	}
	return out
}

// refused is the check of a login that failed.
func refused(of string, err error) doctor.Check {
	var other *salesforce.OrgMismatchError
	if errors.As(err, &other) {
		return doctor.Check{Of: of, Name: "org_id", Result: doctor.Wrong, Found: err.Error(), Fix: "give the credentials of the org that is meant, or pin the other one (orgId) if it was replaced"}
	}
	return doctor.Check{Of: of, Name: "login", Result: doctor.Wrong, Found: err.Error(), Fix: "see that loginUrl, clientId and the secret are those of the integration user's app, and that the org can be reached"}
}

// pinned: the login leads to the org that is meant; the client has refused any other.
func pinned(of, id, pin string) doctor.Check {
	found := id + ", as its document says"
	if pin == "" {
		found = id + "; its document does not pin it (orgId), the one that was seen first counts"
	}
	return doctor.Check{Of: of, Name: "org_id", Result: doctor.OK, Found: found}
}

// scarce is the part of a day's limit below which too little is left.
const scarce = 0.05

// left: there is enough of a day's limit.
func left(of, limit string, l salesforce.Limit) doctor.Check {
	c := doctor.Check{Of: of, Name: limit, Result: doctor.OK, Found: fmt.Sprintf("%d of %d are left for today", l.Remaining, l.Max)}
	if l.Max > 0 && float64(l.Remaining) < scarce*float64(l.Max) {
		c.Result, c.Fix = doctor.Wrong, "see who else uses the org's calls, or wait: it is a limit of the last 24 hours"
	}
	return c
}
