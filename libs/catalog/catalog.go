// Package catalog is how services read definitions and reach orgs: it reads ops' published views, keeps what it read, and makes one
// Salesforce client per org.
//
// A revision of a definition is immutable, as is what the org said of its key field when it was applied, so it is kept for ever; the current
// ones are kept for a few seconds or until Invalidate (which services call when definition_changed wakes them); a client is made anew
// when the org's document has changed. Where the document names no org id, the client takes the one that the ledger knows by the org's name
// (submitter_pub.orgs): a process that starts while the login leads elsewhere must not believe what it sees first. Secrets and keys are read from
// the file or the environment variable that the org names, at each login, and are never kept; a key that others may read is refused.
//
// It is the only package in libs that knows these views; see docs/adr.
package catalog

import (
	"context"
	_ "embed" // queries.sql
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
	"bulkhead/libs/pipeline"
	"bulkhead/libs/salesforce"
)

//go:embed queries.sql
var queriesFile string

var queries = statements(queriesFile)

func statements(file string) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split(file, "-- name: ")[1:] {
		name, sql, _ := strings.Cut(part, "\n")
		out[strings.TrimSpace(name)] = strings.TrimSpace(sql)
	}
	return out
}

// freshFor is how long what was read counts as current when nobody says that it changed.
const freshFor = 5 * time.Second

// NotFoundError says that no such definition or org has been applied.
type NotFoundError struct{ What, Name string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%s %q is not defined (bulkhead pipelines ls shows what is)", e.What, e.Name)
}

// Catalog reads definitions and makes clients. It is safe for concurrent use.
type Catalog struct {
	pool pg.DB
	http *http.Client // what clients send with; nil = one of their own
	now  func() time.Time
	// random and circuit are handed to clients; nil = their own, and none.
	random  func() float64
	circuit func(org string) salesforce.Circuit

	mu        sync.Mutex
	revisions map[revision]*pipeline.Definition
	current   []*pipeline.Definition
	readAt    time.Time // zero = stale
	orgs      map[string]*org
}

type revision struct {
	name string
	n    int
}

type org struct {
	yaml   string
	known  string // the org's id in the ledger; "" = none was seen yet
	doc    *pipeline.Org
	client *salesforce.Client
	readAt time.Time
}

// New makes a catalog over a pool whose role may read ops' views.
func New(pool pg.DB) *Catalog { return NewOver(pool, nil) }

// NewOver makes a catalog whose clients send with an HTTP client that is there already; nil = each has its own.
func NewOver(pool pg.DB, client *http.Client) *Catalog {
	return &Catalog{pool: pool, http: client, now: time.Now, revisions: map[revision]*pipeline.Definition{}, orgs: map[string]*org{}}
}

// ByClock makes the catalog, and the clients that it makes from now on, go by another clock than the process's; nil = stay. It returns the catalog.
func (c *Catalog) ByClock(now func() time.Time) *Catalog {
	if now != nil {
		c.now = now
	}
	return c
}

// ByChance makes the clients that it makes from now on draw their waits from numbers in [0,1); nil = stay. It returns the catalog.
func (c *Catalog) ByChance(random func() float64) *Catalog {
	if random != nil {
		c.random = random
	}
	return c
}

// Through makes the clients that it makes from now on ask an org's circuit before each call; without it they ask none. It returns the catalog.
func (c *Catalog) Through(circuit func(org string) salesforce.Circuit) *Catalog {
	c.circuit = circuit
	return c
}

// Invalidate makes the next question read the database again.
func (c *Catalog) Invalidate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readAt = time.Time{}
	for _, o := range c.orgs {
		o.readAt = time.Time{}
	}
}

// Definition returns one revision of a pipeline's definition; it is shared, and not to be changed.
func (c *Catalog) Definition(ctx context.Context, name string, n int) (*pipeline.Definition, error) {
	key := revision{name, n}
	c.mu.Lock()
	def := c.revisions[key]
	c.mu.Unlock()
	if def != nil {
		return def, nil
	}
	var read stored
	err := c.pool.QueryRow(ctx, queries["revision"], name, n).Scan(&read.text, &read.caseSensitive)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, &NotFoundError{What: "pipeline", Name: fmt.Sprintf("%s, revision %d", name, n)}
	}
	if err != nil {
		return nil, fmt.Errorf("definition %s, revision %d: %w", name, n, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keep(key, read)
}

// stored is a revision as ops keeps it: its document, and what the org said of its key field when it was applied.
type stored struct {
	text          string
	caseSensitive bool
}

// keep parses a revision once; the lock is held.
func (c *Catalog) keep(key revision, read stored) (*pipeline.Definition, error) {
	if def := c.revisions[key]; def != nil {
		return def, nil
	}
	def, _, err := pipeline.ParseDefinition([]byte(read.text))
	if err != nil {
		return nil, fmt.Errorf("definition %s, revision %d: %w", key.name, key.n, err)
	}
	def.Revision, def.CaseSensitive = key.n, read.caseSensitive
	c.revisions[key] = def
	return def, nil
}

// Current returns the newest revision of every pipeline, by name.
func (c *Catalog) Current(ctx context.Context) ([]*pipeline.Definition, error) {
	c.mu.Lock()
	defs, fresh := c.current, !c.readAt.IsZero() && c.now().Sub(c.readAt) < freshFor
	c.mu.Unlock()
	if fresh {
		return defs, nil
	}
	readAt := c.now()
	rows, err := c.pool.Query(ctx, queries["current"])
	if err != nil {
		return nil, fmt.Errorf("current definitions: %w", err)
	}
	type row struct {
		revision
		stored
	}
	read, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
		var out row
		return out, r.Scan(&out.name, &out.n, &out.text, &out.caseSensitive)
	})
	if err != nil {
		return nil, fmt.Errorf("current definitions: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defs = make([]*pipeline.Definition, 0, len(read))
	for _, r := range read {
		def, err := c.keep(r.revision, r.stored)
		if err != nil {
			return nil, err
		}
		defs = append(defs, def)
	}
	c.current, c.readAt = defs, readAt
	return defs, nil
}

// Org returns the document of an org.
func (c *Catalog) Org(ctx context.Context, name string) (*pipeline.Org, error) {
	o, err := c.org(ctx, name)
	if err != nil {
		return nil, err
	}
	return o.doc, nil
}

// Client returns the one client of an org. It has made no call yet when it is new.
func (c *Catalog) Client(ctx context.Context, name string) (*salesforce.Client, error) {
	o, err := c.org(ctx, name)
	if err != nil {
		return nil, err
	}
	return o.client, nil
}

func (c *Catalog) org(ctx context.Context, name string) (*org, error) {
	c.mu.Lock()
	have := c.orgs[name]
	fresh := have != nil && !have.readAt.IsZero() && c.now().Sub(have.readAt) < freshFor
	c.mu.Unlock()
	if fresh {
		return have, nil
	}
	readAt := c.now()
	var text, known string
	err := c.pool.QueryRow(ctx, queries["org"], name).Scan(&text, &known)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, &NotFoundError{What: "org", Name: name}
	}
	if err != nil {
		return nil, fmt.Errorf("org %s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if have = c.orgs[name]; have != nil && have.yaml == text && (have.known == known || have.doc.OrgID != "") {
		have.readAt = readAt
		return have, nil
	}
	doc, err := pipeline.ParseOrg([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("org %s: %w", name, err)
	}
	config := ConfigOf(doc)
	if config.Classes, err = salesforce.NewClassTable(doc.Classes); err != nil {
		return nil, fmt.Errorf("org %s: %w", name, err)
	}
	if config.PinnedOrgID == "" {
		config.PinnedOrgID = known
	}
	config.HTTP, config.Now, config.Random = c.http, c.now, c.random
	if c.circuit != nil {
		config.Circuit = c.circuit(name)
	}
	client, err := salesforce.New(config)
	if err != nil {
		return nil, fmt.Errorf("org %s: %w", name, err)
	}
	made := &org{yaml: text, known: known, doc: doc, client: client, readAt: readAt}
	c.orgs[name] = made
	return made, nil
}
