package inprocess

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
	"bulkhead/services/orgsim/simtest"
)

// Options say what a suite wants otherwise. The zero value of each field stands for its default.
type Options struct {
	// Definitions of the pipelines, in the order in which ops is given them. They are of the org "main".
	Definitions [][]byte
	// Model is the simulator's, as YAML; default the one that it comes with.
	Model string
	// HardDelete lets definitions be applied that delete rows without a way back.
	HardDelete bool
	// Orphans says what becomes of jobs that belong to no submission, as in the org's document; default "report".
	Orphans string
	// Classes are the org's own rules for refused rows, each a YAML mapping on one line.
	Classes []string
	// ByKey makes the org's document one that logs in by key (auth: jwt), which then stands in [Stack.KeyFile].
	ByKey bool
	// Sweep is how often every service looks without being told of anything; default 500 ms.
	Sweep time.Duration
	// Horizon is how long records that are decided stay in their streams; 0 = they go at once.
	Horizon time.Duration
	// Waits are those of the order of calls to Salesforce; default [record.ShortWaits].
	Waits record.Waits
	// LongRetries names the services that wait between retries as they do for a real org; the others run with their ShortRetries.
	LongRetries []string
	// ByJobs has every chunk go by a job, however small, where its definition says nothing else: for what is said of jobs.
	ByJobs bool
	// Level is the lowest that is logged; default INFO.
	Level slog.Level
	// Patience bounds every wait for a state and every call of ops; default 60 s.
	Patience time.Duration
}

func (o Options) withDefaults() Options {
	if o.Orphans == "" {
		o.Orphans = "report"
	}
	if o.Sweep == 0 {
		o.Sweep = 500 * time.Millisecond
	}
	if o.Waits == (record.Waits{}) {
		o.Waits = record.ShortWaits()
	}
	if o.Patience == 0 {
		o.Patience = 60 * time.Second
	}
	return o
}

// Stack is one whole Bulkhead. Its methods fail the test that started it, and are called from that test's goroutine or from those of its subtests.
type Stack struct {
	// T is the test that started it.
	T *testing.T
	// DB is the ledger.
	DB *testkit.DB
	// Sim is the org.
	Sim *simtest.Sim
	// Conn is the test's own connection to the broker.
	Conn *bus.Conn
	// Log is what the services log.
	Log *Log
	// KeyFile is where the private key is, for a stack that logs in by key.
	KeyFile string

	options Options
	nats    string            // the broker's address
	ops     string            // the base of ops' HTTP API
	org     []byte            // the org's document
	running map[string]func() // ends the instance of a service
}

// Start starts everything; it ends with the test. Pipelines may not take records yet: see [Stack.TakesRecords].
func Start(t *testing.T, o Options) *Stack {
	t.Helper()
	s := &Stack{T: t, options: o.withDefaults(), running: map[string]func(){}}
	s.DB = testkit.Database(t)
	var sim []simtest.Option
	if o.Model != "" {
		sim = append(sim, simtest.Model(o.Model))
	}
	s.Sim = simtest.Start(t, sim...)
	s.nats = testkit.NATS(t).URL()
	s.Log = newLog(t)
	credentials := s.writeCredentials(t.TempDir())
	s.org = fmt.Appendf(nil, "kind: Org\nname: main\nloginUrl: %s\nclientId: %s\n%sapiVersion: \"66.0\"\n"+
		"orphans: %s\nallowInsecureLoopback: true\n", s.Sim.URL, s.Sim.ClientID, credentials, s.options.Orphans)
	if len(s.options.Classes) > 0 {
		s.org = append(s.org, "classes:\n  - "+strings.Join(s.options.Classes, "\n  - ")+"\n"...)
	}
	for _, name := range Services() {
		s.Start(name)
	}
	conn, err := bus.Connect(s.nats, bus.ConnectOptions{Name: "test"})
	s.Must(err)
	t.Cleanup(conn.Close)
	s.Conn = conn
	return s
}

// writeCredentials writes what a login takes into a file and returns the lines of the org's document that name it.
func (s *Stack) writeCredentials(dir string) string {
	s.T.Helper()
	if s.options.ByKey {
		s.KeyFile = filepath.Join(dir, "key.pem")
		s.Must(os.WriteFile(s.KeyFile, s.Sim.PrivateKey(), 0o600))
		return fmt.Sprintf("auth: jwt\nprivateKeyFile: %s\nusername: %s\n", s.KeyFile, s.Sim.Username)
	}
	secret := filepath.Join(dir, "secret")
	s.Must(os.WriteFile(secret, []byte(s.Sim.Secret), 0o600))
	return fmt.Sprintf("auth: client_credentials\nclientSecretFile: %s\n", secret)
}

// Must ends the test where there is an error.
func (s *Stack) Must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

// Sweep is how often the services look without being told of anything.
func (s *Stack) Sweep() time.Duration { return s.options.Sweep }
