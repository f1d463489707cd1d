package stack

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"bulkhead/libs/pg"
)

// The names of parts and edges that are not a service's.
const (
	NATS     = "nats" // the broker; the servers of a cluster are nats-1, nats-2 and nats-3
	Postgres = "postgres"
	Org      = "org"
	// EdgeOrg is the way of all services to the org, EdgePublisher the way of whoever publishes to the broker.
	EdgeOrg       = "services>org"
	EdgePublisher = "publisher>nats"
)

// Instances of every service.
const perService = 2

// The pace of the processes under test: leases short enough that a run sees them run out, and looks often enough that what no fact told of
// is found within a second.
const (
	lease = "2s"
	sweep = "700ms"
)

// The subdirectories of the run's directory for what processes are given.
const confDir = "conf"

// orgDocument is the org of every definition: `main`.
const orgDocument = `kind: Org
name: main
loginUrl: http://%s
auth: client_credentials
clientId: bulkhead
clientSecretFile: %q
apiVersion: "66.0"
orphans: abort
allowInsecureLoopback: true
`

// Instances are the names of all instances of services, in the order of a record's way.
func Instances() []string {
	var out []string
	for _, service := range pg.Services {
		for n := 1; n <= perService; n++ {
			out = append(out, fmt.Sprintf("%s-%d", service, n))
		}
	}
	return out
}

// Servers are the names of the broker's: of a cluster of so many nodes, or of the one that it is.
func Servers(nodes int) []string {
	if nodes < 2 {
		return []string{NATS}
	}
	var out []string
	for n := 1; n <= nodes; n++ {
		out = append(out, fmt.Sprintf("%s-%d", NATS, n))
	}
	return out
}

// Edges are the names of all ways on which something can be wrong.
func Edges() []string {
	out := []string{EdgeOrg, EdgePublisher}
	for _, instance := range Instances() {
		out = append(out, instance+">"+Postgres, instance+">"+NATS)
	}
	return out
}

// writeConf writes what the processes read: definitions, the org, secrets, tokens.
func (s *Stack) writeConf() error {
	conf := filepath.Join(s.o.Dir, confDir)
	for _, dir := range []string{logsDir, pointsDir, confDir, "nats", filepath.Join(confDir, "pipelines"), filepath.Join(confDir, "orgs")} {
		if err := os.MkdirAll(filepath.Join(s.o.Dir, dir), 0o755); err != nil { //nolint:gosec // PostgreSQL's user walks through
			return fmt.Errorf("run directory: %w", err)
		}
	}
	secret := filepath.Join(conf, "org-secret")
	files := map[string][]byte{
		"model.yaml":     s.o.Model,
		"org-secret":     []byte(rand.Text()),
		"tokens.yaml":    fmt.Appendf(nil, "tokens:\n  - {name: chaos, role: admin, token: %s}\n", s.token),
		"orgs/main.yaml": fmt.Appendf(nil, orgDocument, s.edges[EdgeOrg].Address(), secret),
	}
	for name, text := range s.o.Definitions {
		if name != filepath.Base(name) {
			return fmt.Errorf("definition %q: its name is no file's", name)
		}
		files["pipelines/"+name+".yaml"] = text
	}
	var errs []error
	for name, text := range files {
		errs = append(errs, os.WriteFile(filepath.Join(conf, name), text, 0o600))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("configuration of the run: %w", err)
	}
	return nil
}

// environment is what every process has: small, so that nothing of the caller's changes what is tested.
func environment() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "GOTRACEBACK=all"}
	for _, name := range []string{"BULKHEAD_LOG_LEVEL", "TMPDIR"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// instance makes the part of one instance of a service, which listens on address.
func (s *Stack) instance(service, name, address, grpc string) *Part {
	p := newPart(name, s.o.Dir, s.record)
	p.page = "http://" + address
	p.ready = probe(p.page + "/readyz")
	role, conf := pg.RoleOf(service), filepath.Join(s.o.Dir, confDir)
	p.command = func(rules, traced string) (*exec.Cmd, error) {
		cmd := exec.Command(filepath.Join(s.o.Bin, service)) //nolint:gosec // a binary under test
		cmd.Dir = s.o.Dir
		cmd.Env = append(
			environment(),
			"BULKHEAD_DSN="+s.o.Cluster.dsn(role, s.o.Cluster.passwords[service], s.edges[name+">"+Postgres].Address(), s.database),
			"BULKHEAD_NATS="+s.edges[name+">"+NATS].natsURL(),
			"BULKHEAD_FAULT="+rules, "BULKHEAD_FAULT_LOG="+traced, "BULKHEAD_PLANTED="+s.o.Plan.Planted,
		)
		if !s.o.OwnPace {
			cmd.Env = append(cmd.Env, "BULKHEAD_SHORT_WAITS=true", "BULKHEAD_SHORT_RETRIES=true", "BULKHEAD_LEASE="+lease, "BULKHEAD_SWEEP="+sweep)
		}
		if s.o.Plan.MaxWaiting > 0 && service == "retrier" {
			cmd.Env = append(cmd.Env, fmt.Sprintf("BULKHEAD_RETRIER_MAX_WAITING=%d", s.o.Plan.MaxWaiting))
		}
		if service != "ops" {
			cmd.Env = append(cmd.Env, "BULKHEAD_LISTEN="+address)
			return cmd, nil
		}
		cmd.Env = append(
			cmd.Env, "BULKHEAD_HTTP_LISTEN="+address, "BULKHEAD_GRPC_LISTEN="+grpc, "BULKHEAD_HORIZON=0s",
			"BULKHEAD_TOKENS_FILE="+filepath.Join(conf, "tokens.yaml"), "BULKHEAD_ORGS_DIR="+filepath.Join(conf, "orgs"),
		)
		if n := len(s.broker.nodes); n > 1 {
			cmd.Env = append(cmd.Env, fmt.Sprintf("BULKHEAD_REPLICAS=%d", n))
		}
		// Only at first: a definition that is changed while the run goes on must not be changed back by whoever starts anew.
		if !s.defined.Load() {
			cmd.Env = append(cmd.Env, "BULKHEAD_PIPELINES_DIR="+filepath.Join(conf, "pipelines"))
		}
		return cmd, nil
	}
	return p
}

// simulator makes the part that is the org. It keeps everything in memory and is never ended: it is what a run is judged by.
func (s *Stack) simulator(address string) *Part {
	p := newPart(Org, s.o.Dir, s.record)
	p.ready, p.once = probe("http://"+address+"/sim/clock"), true
	conf := filepath.Join(s.o.Dir, confDir)
	p.command = func(string, string) (*exec.Cmd, error) {
		cmd := exec.Command( //nolint:gosec // a binary under test
			filepath.Join(s.o.Bin, "orgsim"), "--listen", address, "--client-id", "bulkhead", "--client-secret-file", filepath.Join(conf, "org-secret"),
			"--model", filepath.Join(conf, "model.yaml"),
		)
		cmd.Dir, cmd.Env = s.o.Dir, environment()
		return cmd, nil
	}
	return p
}
