package parts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bulkhead/libs/local"
	"bulkhead/services/e2e/internal/org"
)

const (
	startFor = 3 * time.Minute
	stopFor  = time.Minute
	lookIn   = 20 * time.Millisecond
)

// Options say what is started.
type Options struct {
	// Bin is the directory of Build.
	Bin string
	// Definition is the pipeline's.
	Definition []byte
	// Profile makes every part tell of its inner life, which costs some of what is measured.
	Profile bool
	// SharedBuffers of PostgreSQL; "" = that of the product's one-machine mode.
	SharedBuffers string
	// Nodes is how many servers the broker has; above 1 it is a cluster, with as many replicas of each stream.
	Nodes int
	// Env is given to the programs beside the little that each has, as NAME=value.
	Env []string
}

// Parts are the processes. PIDs are those of the first process of each part; PostgreSQL's children are its backends.
type Parts struct {
	// Postgres, Services and Simulator are process ids, as are Broker's, one of each of its servers.
	Postgres, Services, Simulator int
	Broker                        []int
	// DSN is the administrator's way into the ledger; OpsURL that of ops' HTTP API.
	DSN, NATSURL, OrgURL, OpsURL string
	// Monitors show the figures of each of the broker's servers.
	Monitors []string
	// ServicesDebug, BrokerDebug and OrgDebug show profiles, of the broker's first server; "" unless Options.Profile.
	ServicesDebug, BrokerDebug, OrgDebug string
	// Org is the simulated org.
	Org *org.Org

	o       Options
	dir     string
	watched []*program
	stops   []stop
}

type stop struct {
	name string
	do   func(ctx context.Context) error
}

func (p *Parts) add(name string, do func(ctx context.Context) error) {
	p.stops = append(p.stops, stop{name, do})
}

// Start starts everything and returns when records would be carried. With an error nothing is left.
func Start(ctx context.Context, o Options) (_ *Parts, err error) {
	p := &Parts{o: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startFor)
	defer cancel()
	if err := p.directory(); err != nil {
		return nil, err
	}
	if err := p.startPostgres(ctx); err != nil {
		return nil, err
	}
	if err := p.startBroker(ctx); err != nil {
		return nil, err
	}
	if err := p.startOrg(ctx); err != nil {
		return nil, err
	}
	return p, p.startServices(ctx)
}

// StartOrg starts the simulated org alone.
func StartOrg(ctx context.Context, o Options) (_ *Parts, err error) {
	p := &Parts{o: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startFor)
	defer cancel()
	if err := p.directory(); err != nil {
		return nil, err
	}
	return p, p.startOrg(ctx)
}

// Close ends everything, in the reverse of the order in which it was started. It may be called twice.
func (p *Parts) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopFor)
	defer cancel()
	var errs []error
	for _, s := range slices.Backward(p.stops) {
		if err := s.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
	}
	p.stops, p.watched = nil, nil
	return errors.Join(errs...)
}

// Ended says which process ended by itself; nil = none.
func (p *Parts) Ended() error {
	for _, w := range p.watched {
		select {
		case <-w.Done():
			return fmt.Errorf("%s ended by itself: %w%s", w.name, errors.Join(w.Err(), errors.New("it was not asked to")), w.tail())
		default:
		}
	}
	return nil
}

func (p *Parts) directory() error {
	dir, err := os.MkdirTemp("", "bulkhead-bench-")
	if err != nil {
		return fmt.Errorf("directory of the run: %w", err)
	}
	p.dir = dir
	p.add("directory of the run", func(context.Context) error { return os.RemoveAll(dir) })
	return nil
}

func (p *Parts) startPostgres(ctx context.Context) error {
	// wal_level is that of a server which is backed up, as every ledger should be; on one machine less of some statements is logged.
	o := local.PostgresOptions{Fsync: true, SharedBuffers: p.o.SharedBuffers, Settings: map[string]string{"wal_level": "replica"}}
	if p.o.Profile {
		maps.Copy(o.Settings, map[string]string{
			"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_utility": "on", "track_io_timing": "on", "track_wal_io_timing": "on",
		})
	}
	db, err := local.StartPostgres(ctx, o)
	if err != nil {
		return err
	}
	p.add("PostgreSQL", db.Stop)
	p.Postgres, p.DSN = db.Pid(), db.DSN()
	return nil
}

func (p *Parts) startOrg(ctx context.Context) error {
	args := []string{"--listen", "127.0.0.1:0"}
	if p.o.Profile {
		ports, err := freePorts(ctx, 1)
		if err != nil {
			return err
		}
		args = append(args, "--debug-listen", loopback(ports[0]))
		p.OrgDebug = "http://" + loopback(ports[0]) + "/debug/pprof/"
	}
	sim, err := p.start("orgsim", true, nil, filepath.Join(p.o.Bin, "orgsim"), args...)
	if err != nil {
		return err
	}
	p.watched = append(p.watched, sim)
	p.Simulator = sim.Pid()
	err = sim.say(ctx, func(line []byte) (bool, error) {
		var said struct {
			URL string `json:"url"`
		}
		err := json.Unmarshal(line, &said)
		p.OrgURL = said.URL
		return said.URL != "", err
	})
	if err != nil {
		return err
	}
	p.Org = org.New(p.OrgURL)
	return p.Org.AtOnce(ctx)
}

func (p *Parts) startServices(ctx context.Context) error {
	pipelines := filepath.Join(p.dir, "pipelines")
	if err := os.Mkdir(pipelines, 0o700); err != nil {
		return fmt.Errorf("definitions: %w", err)
	}
	if err := os.WriteFile(filepath.Join(pipelines, "bench.yaml"), p.o.Definition, 0o600); err != nil {
		return fmt.Errorf("definitions: %w", err)
	}
	args := []string{"dev", "--nats", p.NATSURL, "--sim", p.OrgURL, "--pipelines", pipelines, "--ops-port", "0", "--grpc-port", "0"}
	if p.o.Nodes > 1 {
		args = append(args, "--replicas", fmt.Sprint(p.o.Nodes))
	}
	if p.o.Profile {
		args = append(args, "--debug-listen", "127.0.0.1:0")
	}
	services, err := p.start("services", true, []string{"DATABASE_URL=" + p.DSN}, filepath.Join(p.o.Bin, "bulkhead"), args...)
	if err != nil {
		return err
	}
	p.watched = append(p.watched, services)
	p.Services = services.Pid()
	return services.say(ctx, func(line []byte) (bool, error) {
		var said struct {
			Endpoint string `json:"endpoint"`
			URL      string `json:"url"`
			Event    string `json:"event"`
		}
		if err := json.Unmarshal(line, &said); err != nil {
			return false, err
		}
		switch said.Endpoint {
		case "ops_http":
			p.OpsURL = said.URL
		case "debug":
			p.ServicesDebug = said.URL
		}
		return said.Event == "ready", nil
	})
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", fmt.Sprint(port)) }

// freePorts asks the kernel for ports that nobody listens on now; all are held until all are found, so that they differ.
func freePorts(ctx context.Context, n int) ([]int, error) {
	var out []int
	for range n {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("look for a free port: %w", err)
		}
		defer func() { _ = l.Close() }()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}

// sleep waits and says whether the whole time passed.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
