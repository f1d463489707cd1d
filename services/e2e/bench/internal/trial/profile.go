package trial

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/services/e2e/internal/meter"
)

const (
	// window is how long one CPU profile samples; a run is a row of them, which are merged at its end. A profile that is broken off is lost.
	window = 3
	// maxProfile bounds one profile or page of statistics, in bytes.
	maxProfile = 64 << 20
	// fetchFor bounds fetching one.
	fetchFor = time.Minute
)

//go:embed statistics.sql
var statisticsSQL string

// profile takes profiles and statistics of every part until the function that it returns is called, which writes them down. Without a directory
// for them nothing happens.
func (r *run) profile(ctx context.Context) func() error {
	dir := r.o.ProfileDir
	if dir == "" {
		return func() error { return nil }
	}
	c := &collector{dir: dir}
	c.fail(os.MkdirAll(dir, 0o755)) //nolint:gosec // profiles are no secret
	p := r.parts
	c.fail(c.post(ctx, strings.TrimSuffix(p.ServicesDebug, "pprof/")+"rates?block=100000&mutex=100"))
	c.fail(r.resetStatistics(ctx))
	done := make(chan struct{})
	var sampling sync.WaitGroup
	for name, base := range map[string]string{"services": p.ServicesDebug, "nats": p.BrokerDebug, "orgsim": p.OrgDebug} {
		sampling.Go(func() { c.windows(ctx, name, base, done) })
	}
	sampling.Go(func() { c.fullest(ctx, p.Services, p.ServicesDebug, done) })
	stopPerf := c.perf(ctx)
	return func() error {
		close(done)
		stopPerf()
		for _, what := range []string{"allocs", "heap", "block", "mutex", "goroutine"} {
			c.get(ctx, p.ServicesDebug+what, "services-"+what+".pb.gz")
		}
		c.get(ctx, p.BrokerDebug+"allocs", "nats-allocs.pb.gz")
		c.get(ctx, p.OrgDebug+"allocs", "orgsim-allocs.pb.gz")
		c.get(ctx, p.Monitors[0]+"varz", "nats-varz.json")
		c.get(ctx, p.Monitors[0]+"jsz?streams=true&consumers=true&config=true", "nats-jsz.json")
		c.get(ctx, p.OpsURL+"/metrics", "ops-metrics.txt")
		c.fail(r.statistics(ctx, filepath.Join(dir, "postgres.jsonl")))
		sampling.Wait()
		for _, name := range []string{"services", "nats", "orgsim"} {
			c.merge(ctx, name)
		}
		for _, what := range []string{"services-allocs", "services-" + fullest, "services-block", "services-mutex", "nats-allocs", "orgsim-allocs"} {
			c.text(ctx, what)
		}
		return errors.Join(c.errs...)
	}
}

// collector gathers files and what went wrong.
type collector struct {
	dir  string
	mu   sync.Mutex
	errs []error
}

func (c *collector) fail(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, fmt.Errorf("profile: %w", err))
}

func (c *collector) post(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

// get writes what a page says into a file.
func (c *collector) get(ctx context.Context, url, file string) {
	ctx, cancel := context.WithTimeout(ctx, fetchFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		c.fail(err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.fail(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProfile))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", url, resp.Status, text[:min(len(text), 200)])
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(c.dir, file), text, 0o644) //nolint:gosec // profiles are no secret
	}
	c.fail(err)
}

// perf samples PostgreSQL's processes by the kernel, where there is the program for it; they have no profile of their own.
func (c *collector) perf(ctx context.Context) (stop func()) {
	file := filepath.Join(c.dir, "perf.data")
	program, err := exec.LookPath("perf")
	if err != nil {
		return func() {}
	}
	cmd := exec.CommandContext(ctx, program, "record", "-q", "-a", "-F", "199", "-o", file) //nolint:gosec // our own words
	if cmd.Start() != nil {
		return func() {}
	}
	return func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // what it recorded tells
		ctx, cancel := context.WithTimeout(ctx, fetchFor)
		defer cancel()
		text, err := exec.CommandContext(ctx, program, "report", "-i", file, "--stdio", "--comms", "postgres", "--sort", "dso,symbol").Output() //nolint:gosec // our own words
		if err == nil {
			c.fail(os.WriteFile(filepath.Join(c.dir, "postgres-perf.txt"), text, 0o644)) //nolint:gosec // profiles are no secret
		}
		_ = os.Remove(file)
	}
}

// windows takes one CPU profile after the other.
func (c *collector) windows(ctx context.Context, name, base string, done <-chan struct{}) {
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		default:
		}
		c.get(ctx, fmt.Sprintf("%sprofile?seconds=%d", base, window), fmt.Sprintf("%s-cpu-%03d.pb.gz", name, n))
	}
}

const (
	// fullest is the heap when the process held most.
	fullest = "heap-fullest"
	// weighEvery is how often the process is looked at, growth the part by which it must have grown to be worth another profile.
	weighEvery, growth = 100 * time.Millisecond, 0.03
)

// fullest keeps the heap of when the process held most. Its figures are those of the last garbage collection before.
func (c *collector) fullest(ctx context.Context, pid int, base string, done <-chan struct{}) {
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	for most := int64(0); ; {
		held, err := meter.Resident(pid)
		if err != nil {
			c.fail(err)
			return
		}
		if float64(held) > float64(most)*(1+growth) {
			most = held
			c.get(ctx, base+"heap", "services-"+fullest+".pb.gz")
		}
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// merge makes one CPU profile of the windows, and a text of it.
func (c *collector) merge(ctx context.Context, name string) {
	files, err := filepath.Glob(filepath.Join(c.dir, name+"-cpu-[0-9]*.pb.gz"))
	if err != nil || len(files) == 0 {
		c.fail(errors.Join(err, fmt.Errorf("no CPU profile of %s", name)))
		return
	}
	merged := filepath.Join(c.dir, name+"-cpu.pb.gz")
	if _, err := pprof(ctx, append([]string{"-proto", "-output", merged}, files...)...); err != nil {
		c.fail(err)
		return
	}
	for _, f := range files {
		c.fail(os.Remove(f))
	}
	c.text(ctx, name+"-cpu")
}

// text writes the top of a profile, flat and cumulative.
func (c *collector) text(ctx context.Context, name string) {
	file := filepath.Join(c.dir, name+".pb.gz")
	kinds := [][]string{nil}
	if strings.HasSuffix(name, "-allocs") {
		kinds = [][]string{{"-sample_index=alloc_space"}, {"-sample_index=alloc_objects"}}
	}
	if strings.HasSuffix(name, fullest) {
		kinds = [][]string{{"-sample_index=inuse_space"}}
	}
	var all []byte
	for _, kind := range kinds {
		for _, order := range []string{"-flat", "-cum"} {
			text, err := pprof(ctx, append(append([]string{"-top", "-nodecount=80", order}, kind...), file)...)
			if err != nil {
				c.fail(err)
				return
			}
			all = append(append(all, text...), '\n')
		}
	}
	c.fail(os.WriteFile(filepath.Join(c.dir, name+".txt"), all, 0o644)) //nolint:gosec // profiles are no secret
}

// pprof runs the toolchain's own.
func pprof(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchFor)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append([]string{"tool", "pprof"}, args...)...) //nolint:gosec // our own words
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go tool pprof: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return out, nil
}

// resetStatistics makes PostgreSQL count anew.
func (r *run) resetStatistics(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	for _, sql := range []string{
		"CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "SELECT pg_stat_statements_reset()", "SELECT pg_stat_reset()",
		"SELECT pg_stat_reset_shared('wal')", "SELECT pg_stat_reset_shared('bgwriter')",
	} {
		if _, err := r.ledger.conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("PostgreSQL's statistics: %w", err)
		}
	}
	return nil
}

// statistics writes PostgreSQL's own figures as JSON, one row a line.
func (r *run) statistics(ctx context.Context, file string) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	var out []byte
	for _, part := range strings.Split(statisticsSQL, "-- name: ")[1:] {
		name, sql, _ := strings.Cut(part, "\n")
		rows, err := r.ledger.conn.Query(ctx, "SELECT row_to_json(x)::text FROM ("+sql+") x")
		if err != nil {
			return fmt.Errorf("PostgreSQL's statistics: %w", err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("PostgreSQL's statistics: %s: %w", name, err)
		}
		for _, line := range lines {
			out = fmt.Appendf(out, "{\"of\":%q,%s\n", name, strings.TrimPrefix(line, "{"))
		}
	}
	return os.WriteFile(file, out, 0o644) //nolint:gosec // statistics are no secret
}
