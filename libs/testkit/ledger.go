package testkit

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"bulkhead/libs/memory/ledger"
	"bulkhead/libs/pg"
)

// Ledger is one test's ledger with the schemas of all services: a database of PostgreSQL, or one in memory while OnEachLedger says so.
type Ledger struct {
	postgres *DB
	memory   *ledger.DB
}

// inMemory says which of them NewLedger makes. It is a package variable because OnEachLedger speaks for the whole test binary; it changes between runs only.
var inMemory bool

// OnEachLedger runs a package's tests twice, for its TestMain: on PostgreSQL and on the ledger in memory. Both must pass. Benchmarks and fuzz targets run
// on PostgreSQL alone. BULKHEAD_TEST_LEDGER=postgres or =memory keeps to one of the two, for who looks at it.
func OnEachLedger(m *testing.M) int {
	only := os.Getenv("BULKHEAD_TEST_LEDGER")
	if only == "memory" {
		inMemory = true
		return m.Run()
	}
	code := m.Run()
	if only == "postgres" {
		return code
	}
	for _, arg := range os.Args[1:] {
		for _, once := range []string{"-test.bench=", "-test.fuzz=", "-test.list="} {
			if strings.HasPrefix(arg, once) {
				return code
			}
		}
	}
	inMemory = true
	defer func() { inMemory = false }()
	again := m.Run()
	if again != 0 {
		fmt.Println("the tests above failed on the ledger in memory")
	}
	return max(code, again)
}

// NewLedger makes a fresh ledger for one test.
func NewLedger(t testing.TB) *Ledger {
	t.Helper()
	if !inMemory {
		return &Ledger{postgres: Database(t)}
	}
	db, err := ledger.Open(AllMigrations(t)...)
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	t.Cleanup(db.Close)
	return &Ledger{memory: db}
}

// Pool is the ledger as a service holds it; it is closed when the test ends.
func (l *Ledger) Pool(t testing.TB, service string) pg.DB {
	t.Helper()
	if l.postgres != nil {
		return l.postgres.Pool(t, service)
	}
	handle := l.memory.As(service)
	t.Cleanup(handle.Close)
	return handle
}

// AdminPool is the ledger as an administrator holds it, who may write every service's tables.
func (l *Ledger) AdminPool(t testing.TB) pg.DB {
	t.Helper()
	if l.postgres != nil {
		return l.postgres.AdminPool(t)
	}
	return l.memory
}

// InMemory says whether roles and what else only a server has are missing.
func (l *Ledger) InMemory() bool { return l.memory != nil }
