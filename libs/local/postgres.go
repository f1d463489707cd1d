package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"bulkhead/libs/pg"
)

// PostgresOptions say which PostgreSQL to use or how to run one.
type PostgresOptions struct {
	// DSN is the administrator's address of a server that runs already; then nothing is started and nothing else here counts.
	DSN string
	// DataDir is the directory that outlives us (`--data`); the cluster is kept in its subdirectory postgres. Empty
	// means a temporary cluster, gone when we end.
	DataDir string
	// Fsync makes what is committed survive a power cut. Only tests leave it off.
	Fsync bool
	// InitCache is a directory in which the result of initdb is kept between runs and copied from; empty means none.
	// It serves tests, whose clusters are many.
	InitCache string
	// SharedBuffers is PostgreSQL's setting; default what the function of that name says.
	SharedBuffers string
	// Settings are settings of the server's beside ours, name and value; they win over ours.
	Settings map[string]string
	// StartTimeout bounds a start, recovery after a crash included; default 2 min.
	StartTimeout time.Duration
	Logger       *slog.Logger
}

// Postgres is a server that can be used: ours, or the one whose address was given.
type Postgres struct {
	adminDSN  string
	server    *postmaster // nil when the server is not ours
	logger    *slog.Logger
	mu        sync.Mutex
	passwords map[string]string // by service, after SetPasswords; nil before, or when the server is not ours
	ready     bool              // SetPasswords was called
}

// StartPostgres returns a server that answers: the given one, else our own from programs found on the machine, else
// ErrNoPostgres. Stop ends it, as does the end of this process.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 2 * time.Minute
	}
	if o.SharedBuffers == "" {
		o.SharedBuffers = SharedBuffers()
	}
	p := &Postgres{adminDSN: o.DSN, logger: o.Logger}
	ctx, cancel := context.WithTimeout(ctx, o.StartTimeout)
	defer cancel()
	if o.DSN == "" {
		own, err := startServer(ctx, o)
		if err != nil {
			return nil, err
		}
		p.server, p.adminDSN = own, own.dsn
	}
	// The checks of Open (primary, version) are worth their milliseconds for a server that somebody else runs.
	pool, err := pg.Open(ctx, p.adminDSN, pg.Options{AppName: "bulkhead-admin", MaxConns: 1})
	if err != nil {
		return nil, errors.Join(err, p.Stop(context.WithoutCancel(ctx)))
	}
	pool.Close()
	return p, nil
}

// DSN is the administrator's address. It holds a password.
func (p *Postgres) DSN() string { return p.adminDSN }

// Own says whether the server was started by us.
func (p *Postgres) Own() bool { return p.server != nil }

// Pid is the process id of the server of our own, 0 for a given one.
func (p *Postgres) Pid() int {
	if p.server == nil {
		return 0
	}
	return p.server.child.process.Pid
}

// SetPasswords makes the services' roles and their way in. On a server of our own each role gets a new random password.
// On one that was given no password is touched: the administrator's sessions act as the role instead.
func (p *Postgres) SetPasswords(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		if err := pg.Bootstrap(ctx, p.adminDSN, nil); err != nil {
			return err
		}
		if err := pg.JoinRoles(ctx, p.adminDSN); err != nil {
			return err
		}
		p.ready = true
		return nil
	}
	passwords := make(map[string]string, len(pg.Services))
	for _, service := range pg.Services {
		passwords[service] = rand.Text()
	}
	if err := pg.Bootstrap(ctx, p.adminDSN, passwords); err != nil {
		return err
	}
	p.passwords, p.ready = passwords, true
	return nil
}

// DSNFor is the address with which a service connects as its own role. SetPasswords comes first.
func (p *Postgres) DSNFor(service string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !slices.Contains(pg.Services, service):
		return "", fmt.Errorf("address for unknown service %q", service)
	case !p.ready:
		return "", fmt.Errorf("address for %s: its role was not set up, call SetPasswords first", service)
	case p.server == nil:
		return pg.DSNAsRole(p.adminDSN, pg.RoleOf(service))
	}
	return pg.DSNAs(p.adminDSN, pg.RoleOf(service), p.passwords[service])
}

// Done is closed when the server of our own has ended, by Stop or by itself. It is nil (never closed) for a given one.
func (p *Postgres) Done() <-chan struct{} {
	if p.server == nil {
		return nil
	}
	return p.server.child.done
}

// Stop ends the server of our own, and does nothing to a given one: open transactions are rolled back, everything
// committed is written. When ctx ends first, or after ten seconds, the stop becomes a crash, which loses nothing either
// but makes the next start recover. It may be called more than once.
func (p *Postgres) Stop(ctx context.Context) error {
	if p.server == nil {
		return nil
	}
	return p.server.stop(ctx)
}

// stop ends the server and removes what is temporary.
func (s *postmaster) stop(ctx context.Context) error {
	s.stopOnce.Do(func() { s.stopErr = s.stopNow(ctx) })
	return s.stopErr
}

func (s *postmaster) stopNow(ctx context.Context) error {
	var err error
	if s.child != nil && !s.child.ended() {
		err = s.end(ctx)
	}
	if s.lock != nil {
		_ = s.lock.Close()
	}
	return errors.Join(err, s.work.remove())
}

// end stops the process: fast, then immediate, then by force.
func (s *postmaster) end(ctx context.Context) error {
	steps := []struct {
		signal syscall.Signal
		wait   time.Duration
		hasty  bool // not cut short by ctx
	}{{syscall.SIGINT, 10 * time.Second, false}, {syscall.SIGQUIT, 5 * time.Second, true}, {syscall.SIGKILL, 5 * time.Second, true}}
	for _, step := range steps {
		if err := s.child.process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop PostgreSQL: %w", err)
		}
		cut := ctx.Done()
		if step.hasty {
			cut = nil
		}
		timer := time.NewTimer(step.wait)
		select {
		case <-s.child.done:
			timer.Stop()
			return nil
		case <-timer.C:
		case <-cut:
			timer.Stop()
		}
	}
	return fmt.Errorf("PostgreSQL (process %d) does not end: stop it by hand", s.child.process.Pid)
}
