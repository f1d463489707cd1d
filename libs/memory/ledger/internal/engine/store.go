package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"bulkhead/libs/memory/ledger/internal/syntax"
	"bulkhead/libs/memory/ledger/internal/value"
)

// Store is one database.
type Store struct {
	mu          sync.Mutex
	tables      map[string]*table
	views       map[string]*view
	indexes     map[string]*table // by schema and name
	schemas     map[string]bool
	functions   map[string]bool
	advisory    map[int64]*Tx
	plans       map[string]*Plan
	listeners   map[string][]chan struct{} // by channel, woken in the order in which they began to listen
	lockTimeout time.Duration
}

type view struct {
	schema, name string
	query        *syntax.Query
	names        []string
}

// NewStore makes an empty database. lockTimeout bounds one wait for a lock.
func NewStore(lockTimeout time.Duration) *Store {
	return &Store{
		tables: map[string]*table{}, views: map[string]*view{}, indexes: map[string]*table{}, schemas: map[string]bool{}, functions: map[string]bool{}, advisory: map[int64]*Tx{},
		plans: map[string]*Plan{}, listeners: map[string][]chan struct{}{}, lockTimeout: lockTimeout,
	}
}

// Plan is what a text means on the present schema. It is for any number of runs at once.
type Plan struct {
	Params []value.Type // Unknown where nothing says
	Names  []string     // of the result's columns
	Types  []value.Type
	steps  []step
}

type step struct {
	run   func(*run) // fills the result
	tag   string
	shape *querySet // of a statement with rows
	ddl   bool
}

// Result is what a statement gave.
type Result struct {
	Rows [][]any
	Tag  string // SELECT, INSERT 0, UPDATE, DELETE
	N    int64  // rows that it gave or changed
}

// run is one execution of a statement.
type run struct {
	tx     *Tx
	store  *Store
	params []any
	cache  map[any]any // results that hold for the whole statement: of CTEs, of queries that ask nothing from outside
	result Result
	now    value.Stamp
}

// trees keeps what was read of each text, for all stores: tests make a store each, all for the same few hundred texts. A tree is never changed.
var trees sync.Map // text → []syntax.Statement

func tree(text string) ([]syntax.Statement, error) {
	if kept, ok := trees.Load(text); ok {
		return kept.([]syntax.Statement), nil //nolint:forcetypeassert // stored below
	}
	statements, err := syntax.Parse(text)
	if err == nil {
		trees.Store(text, statements)
	}
	return statements, err
}

// Prepare makes the plan of a text, or finds it.
func (s *Store) Prepare(text string) (p *Plan, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prepare(text)
}

func (s *Store) prepare(text string) (p *Plan, err error) {
	if p := s.plans[text]; p != nil {
		return p, nil
	}
	statements, err := tree(text)
	if err != nil {
		return nil, value.Error("42601", "%v", err)
	}
	defer catch(&err)
	p = &Plan{}
	cacheable := true
	for _, statement := range statements {
		c := &compiler{store: s, plan: p}
		st := c.statement(statement)
		cacheable = cacheable && !st.ddl
		p.steps = append(p.steps, st)
		if st.shape != nil {
			p.Names, p.Types = st.shape.names, st.shape.types
		}
		if st.ddl && len(statements) > 1 {
			return nil, value.Error("0A000", "a definition runs alone: use Script for several statements")
		}
	}
	if cacheable {
		s.plans[text] = p
	}
	return p, nil
}

// Script runs statements one after the other in a transaction of its own, as a migration.
func (s *Store) Script(ctx context.Context, text string) error {
	statements, err := tree(text)
	if err != nil {
		return err
	}
	tx := s.Begin(false, nil)
	for i, statement := range statements {
		s.mu.Lock()
		p := &Plan{}
		st, err := s.compileOne(p, statement)
		s.mu.Unlock()
		if err == nil {
			p.steps = []step{st}
			_, err = s.Run(ctx, tx, p, nil)
		}
		if err != nil {
			s.End(tx, false)
			return errors.Join(value.Error("XX000", "statement %d", i+1), err)
		}
	}
	s.End(tx, true)
	return nil
}

func (s *Store) compileOne(p *Plan, statement syntax.Statement) (st step, err error) {
	defer catch(&err)
	c := &compiler{store: s, plan: p}
	return c.statement(statement), nil
}

// catch turns a panic of the package into an error. Others go on: they are bugs.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case *pgconn.PgError:
		*err = r
	default:
		panic(r)
	}
}

// Run runs a plan in a transaction. params are values of the plan's types. After an error other than one of the context before anything was done the
// transaction can only be ended.
func (s *Store) Run(ctx context.Context, tx *Tx, p *Plan, params []any) (Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last Result
	for _, st := range p.steps {
		switch {
		case tx.ended:
			return Result{}, value.Error("25P01", "there is no transaction in progress")
		case tx.failed:
			return Result{}, value.Error("25P02", "current transaction is aborted, commands ignored until end of transaction block")
		}
		result, err := s.runStep(ctx, tx, st, params)
		if err != nil {
			tx.abort()
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				tx.end(false) // as a cancelled statement costs the connection
			}
			return Result{}, err
		}
		last = result
	}
	return last, nil
}

func (s *Store) runStep(ctx context.Context, tx *Tx, st step, params []any) (Result, error) {
	tx.slept = false
	for {
		m := tx.mark()
		result, wait, err := s.try(tx, st, params)
		if wait == nil && err == nil {
			return result, nil
		}
		tx.back(m)
		if err != nil {
			return Result{}, err
		}
		if err := wait(ctx); err != nil {
			return Result{}, err
		}
		if tx.ended {
			return Result{}, value.Error("57P01", "terminating connection due to administrator command")
		}
	}
}

func (s *Store) try(tx *Tx, st step, params []any) (result Result, wait func(context.Context) error, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *pgconn.PgError:
			err = r
		case mustWait:
			wait = func(ctx context.Context) error { return tx.await(ctx, r.who) }
		case mustSleep:
			wait = func(ctx context.Context) error { return tx.sleep(ctx, r.d) }
		default:
			panic(r)
		}
	}()
	x := &run{tx: tx, store: s, params: params, now: tx.now}
	x.result.Tag = st.tag
	st.run(x)
	if st.ddl {
		clear(s.plans)
	}
	return x.result, nil, nil
}

// End commits or rolls back. It says whether the transaction was still there and whether it was committed.
func (s *Store) End(tx *Tx, commit bool) (was, committed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tx.ended {
		return false, false
	}
	committed = commit && !tx.failed
	tx.end(commit)
	return true, committed
}

// Listen gives a channel on which one element stands after notifications, until stop is called.
func (s *Store) Listen(channel string) (heard <-chan struct{}, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{}, 1)
	s.listeners[channel] = append(s.listeners[channel], c)
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.listeners[channel] = slices.DeleteFunc(s.listeners[channel], func(other chan struct{}) bool { return other == c })
	}
}

func (s *Store) notify(channel string) {
	for _, c := range s.listeners[channel] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// ColumnsOf gives a table's columns and their types, for COPY.
func (s *Store) ColumnsOf(schema, name string) ([]string, []value.Type, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[schema+"."+name]
	if t == nil {
		return nil, nil, false
	}
	names, types := make([]string, len(t.cols)), make([]value.Type, len(t.cols))
	for i, c := range t.cols {
		names[i], types[i] = c.name, c.typ
	}
	return names, types, true
}
