package circuit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/salesforce"
	"bulkhead/libs/testkit"
)

// patient is a policy that always asks the ledger, and whose waits nobody sits out: a test moves the ledger's rows instead.
func patient() Policy {
	p := DefaultPolicy()
	p.Look = time.Nanosecond
	p.Transient, p.Quota = []time.Duration{time.Hour, 2 * time.Hour}, []time.Duration{5 * time.Hour}
	return p
}

// stage is a ledger and the processes that share it.
type stage struct {
	*testing.T
	ledger *testkit.Ledger
	admin  pg.DB
	log    bytes.Buffer
	mu     sync.Mutex
}

// Write takes a line of the log.
func (s *stage) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(line)
}

// said counts the lines of the log that hold a text.
func (s *stage) said(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.log.String(), text)
}

func setup(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, ledger: testkit.NewLedger(t)}
	s.admin = s.ledger.AdminPool(t)
	return s
}

// process is one instance of a service.
type process struct {
	*stage
	*Circuits
	registry *prometheus.Registry
}

func (s *stage) process(service string, p Policy) *process {
	s.Helper()
	registry := prometheus.NewRegistry()
	return &process{stage: s, registry: registry, Circuits: New(Config{
		DB: s.ledger.Pool(s.T, service), Service: service, Policy: p, Random: func() float64 { return 0 },
		Logger: slog.New(slog.NewTextHandler(s, nil)), Registerer: registry,
	})}
}

var (
	away     = salesforce.Verdict{Proof: salesforce.ProofAway, Class: record.ClassTransient, Cause: "salesforce GET limits: 503"}
	usedUp   = salesforce.Verdict{Proof: salesforce.ProofAway, Class: record.ClassQuota, Cause: "salesforce GET limits: 403 REQUEST_LIMIT_EXCEEDED"}
	answered = salesforce.Verdict{Proof: salesforce.ProofAnswers}
	nothing  = salesforce.Verdict{}
)

// begins makes a call that has to be allowed; what it returns ends it.
func (p *process) begins() func(salesforce.Verdict) {
	p.Helper()
	told, err := p.Of("main").Allow(p.Context())
	if err != nil {
		p.Fatalf("not allowed: %v", err)
	}
	return func(v salesforce.Verdict) { told(p.Context(), v) }
}

// held is why a call is not allowed.
func (p *process) held() *salesforce.CircuitOpenError {
	p.Helper()
	_, err := p.Of("main").Allow(p.Context())
	open, ok := errors.AsType[*salesforce.CircuitOpenError](err)
	if !ok {
		p.Fatalf("the call was not held back: %v", err)
	}
	return open
}

// pass lets time go by, for the circuit: its rows are moved back.
func (s *stage) pass(d time.Duration) {
	s.Helper()
	for _, service := range []string{"submitter", "poller", "reconciler"} {
		if _, err := s.admin.Exec(s.Context(), "UPDATE "+pgx.Identifier{service, "circuits"}.Sanitize()+` SET opened_at = opened_at - make_interval(secs => $1),
			failed_at = failed_at - make_interval(secs => $1), next_call_at = next_call_at - make_interval(secs => $1),
			closed_at = closed_at - make_interval(secs => $1)`, d.Seconds()); err != nil {
			s.Fatal(err)
		}
	}
}

func TestCircuit(t *testing.T) {
	t.Parallel()
	t.Run("a failure that one service met holds all of them back, in words, and an answer to one opens the way to all", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		all := []*process{s.process("submitter", patient()), s.process("poller", patient()), s.process("reconciler", patient()), s.process("poller", patient())}
		all[0].begins()(away)
		for i, p := range all {
			open := p.held()
			if open.Wait < 59*time.Minute || open.Wait > time.Hour || open.Class != record.ClassTransient || !strings.Contains(open.Error(), "503") {
				t.Errorf("process %d: %+v", i, open)
			}
			if err := testutil.GatherAndCompare(p.registry, strings.NewReader(`
# HELP bulkhead_circuit_refused_calls_total Calls to the org that were not made because its circuit was open.
# TYPE bulkhead_circuit_refused_calls_total counter
bulkhead_circuit_refused_calls_total{org="main"} 1
`)); err != nil {
				t.Error(err)
			}
		}
		s.pass(61 * time.Minute)
		try := all[1].begins()
		if open := all[2].held(); open.Wait > time.Second {
			t.Errorf("%+v while somebody tries", open)
		}
		try(answered)
		for _, p := range all {
			p.begins()(answered)
		}
		if s.said("its circuit is open") != 1 || s.said("its circuit is closed") != 1 || s.said("level=WARN") != 1 {
			t.Error(s.log.String())
		}
	})
	t.Run("the row says what ops shows", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		p := s.process("submitter", patient())
		p.begins()(usedUp)
		s.pass(6 * time.Hour)
		p.begins()(usedUp)
		var class, cause string
		var failures int
		var opened, wait float64
		if err := s.admin.QueryRow(t.Context(), `SELECT class, failures, cause, extract(epoch FROM failed_at - opened_at)::float8, extract(epoch FROM next_call_at - failed_at)::float8
			FROM submitter_pub.circuits WHERE org = 'main' AND closed_at IS NULL`).Scan(&class, &failures, &cause, &opened, &wait); err != nil {
			t.Fatal(err)
		}
		if class != "quota" || failures != 2 || cause != usedUp.Cause || opened < 6*3600 || wait != 5*3600 {
			t.Error(class, failures, cause, opened, wait)
		}
		if s.said("has no calls left today") != 1 {
			t.Error(s.log.String())
		}
	})
	t.Run("of many callers in all processes one tries, however many come at once", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		var all []*process
		for _, service := range []string{"submitter", "poller", "reconciler", "submitter", "poller", "reconciler"} {
			all = append(all, s.process(service, patient()))
		}
		all[0].begins()(away)
		for round := range 3 {
			s.pass(3 * time.Hour)
			var tries atomic.Int32
			var right func(context.Context, salesforce.Verdict)
			var callers sync.WaitGroup
			for _, p := range all {
				for range 5 {
					callers.Go(func() {
						told, err := p.Of("main").Allow(t.Context())
						if err == nil && tries.Add(1) == 1 {
							right = told
						}
					})
				}
			}
			if callers.Wait(); tries.Load() != 1 {
				t.Fatalf("round %d: %d calls", round, tries.Load())
			}
			right(t.Context(), away)
		}
		all[3].held()
	})
	t.Run("calls that fail together are one failure", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		p, q := s.process("submitter", patient()), s.process("reconciler", patient())
		var under []func(salesforce.Verdict)
		for range 5 {
			under = append(under, p.begins(), q.begins())
		}
		for _, ends := range under {
			ends(away)
		}
		if open := p.held(); open.Wait > time.Hour {
			t.Errorf("%+v", open)
		}
		var rows int
		if err := s.admin.QueryRow(t.Context(), "SELECT count(*) FROM reconciler.circuits").Scan(&rows); err != nil || rows != 0 {
			t.Errorf("%d rows of the second, %v", rows, err)
		}
	})
	t.Run("a call that was under way when the circuit opened, and is answered, closes it", func(t *testing.T) {
		t.Parallel()
		p := setup(t).process("submitter", patient())
		slow := p.begins()
		p.begins()(away)
		p.held()
		slow(answered)
		p.begins()
	})
	t.Run("one that fails after others were answered does not open it again", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		p := s.process("submitter", patient())
		slow := p.begins()
		p.begins()(away)
		s.pass(2 * time.Hour)
		p.begins()(answered)
		slow(away)
		p.begins()
	})
	t.Run("a try that tells nothing leaves the next one to try at once", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		p, q := s.process("submitter", patient()), s.process("poller", patient())
		p.begins()(away)
		s.pass(2 * time.Hour)
		try := p.begins()
		q.held()
		try(nothing)
		q.begins()(away)
		if open := p.held(); open.Wait < time.Hour {
			t.Errorf("the second failure in a row is followed by %s", open.Wait)
		}
	})
	t.Run("a try whose process died leaves the right to another after a while", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		p, q := s.process("submitter", patient()), s.process("poller", patient())
		p.begins()(away)
		s.pass(2 * time.Hour)
		p.begins()
		q.held()
		s.pass(11 * time.Second)
		q.begins()(answered)
		p.begins()
	})
	t.Run("is told although its caller went away meanwhile", func(t *testing.T) {
		t.Parallel()
		p := setup(t).process("submitter", patient())
		ctx, cancel := context.WithCancel(t.Context())
		told, err := p.Of("main").Allow(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		told(ctx, away)
		p.held()
	})
	t.Run("is one for each org", func(t *testing.T) {
		t.Parallel()
		p := setup(t).process("submitter", patient())
		p.begins()(away)
		if _, err := p.Of("other").Allow(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("opens after as many failures in a row of a process as its policy says", func(t *testing.T) {
		t.Parallel()
		policy := patient()
		policy.Threshold = 3
		p := setup(t).process("submitter", policy)
		for _, v := range []salesforce.Verdict{away, away, answered, away, away, nothing, away} {
			p.begins()(v)
		}
		p.held()
	})
}

// counted counts what the ledger is asked.
type counted struct {
	pg.DB
	asked atomic.Int32
	away  atomic.Bool
}

func (c *counted) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.asked.Add(1)
	if c.away.Load() {
		return nil, errors.New("the ledger is away")
	}
	return c.DB.Query(ctx, sql, args...)
}

func (c *counted) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	c.asked.Add(1)
	if c.away.Load() {
		return nil, errors.New("the ledger is away")
	}
	return c.DB.BeginTx(ctx, o)
}

func TestCost(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, p Policy) (*process, *counted) {
		s := setup(t)
		c := s.process("submitter", p)
		db := &counted{DB: c.cfg.DB}
		c.store = newStore(db, "submitter")
		return c, db
	}
	t.Run("a closed circuit asks the ledger once in a while and writes nothing", func(t *testing.T) {
		t.Parallel()
		policy := DefaultPolicy()
		policy.Look = time.Hour
		p, db := open(t, policy)
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() {
				for range 100 {
					told, err := p.Of("main").Allow(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					told(t.Context(), answered)
				}
			})
		}
		if callers.Wait(); db.asked.Load() != 1 {
			t.Errorf("the ledger was asked %d times", db.asked.Load())
		}
	})
	t.Run("calls that are held back ask no more often", func(t *testing.T) {
		t.Parallel()
		policy := patient()
		policy.Look = time.Hour
		p, db := open(t, policy)
		p.begins()(away)
		before := db.asked.Load()
		for range 100 {
			p.held()
		}
		if n := db.asked.Load() - before; n != 0 {
			t.Errorf("the ledger was asked %d times", n)
		}
	})
	t.Run("a ledger that is away lets calls through, which is said once", func(t *testing.T) {
		t.Parallel()
		p, db := open(t, patient())
		p.begins()(away)
		p.held()
		db.away.Store(true)
		for range 5 {
			p.begins()(away)
		}
		if p.said("cannot be read or written") != 1 {
			t.Error(p.log.String())
		}
		db.away.Store(false)
		p.held()
	})
}
