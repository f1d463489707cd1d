package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
)

// lasting is a directory that the server's user may enter; the testing package's own may not be when we are root.
func lasting(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bulkhead-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, o PostgresOptions) *Postgres {
	t.Helper()
	o.InitCache = os.TempDir()
	o.SharedBuffers = "32MB"
	p, err := StartPostgres(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

func query(t *testing.T, dsn, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var got string
	if err := conn.QueryRow(t.Context(), statement).Scan(&got); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return got
}

func execute(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestStartPostgres(t *testing.T) {
	t.Parallel()
	t.Run("runs a durable server for one machine, and takes its temporary directory with it", func(t *testing.T) {
		t.Parallel()
		p := start(t, PostgresOptions{Fsync: true})
		settings := query(t, p.DSN(), `SELECT string_agg(current_setting(name), ' ' ORDER BY n) FROM
			unnest(ARRAY['fsync','synchronous_commit','full_page_writes','listen_addresses','max_connections','password_encryption']) WITH ORDINALITY AS s (name, n)`)
		if settings != "on on on 127.0.0.1 200 scram-sha-256" {
			t.Errorf("settings are %s", settings)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(p.server.work.path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the temporary directory is still there: %v", err)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Errorf("the second Stop: %v", err)
		}
		select {
		case <-p.Done():
		default:
			t.Error("Done is not closed")
		}
	})
	t.Run("lets nobody in without a password", func(t *testing.T) {
		t.Parallel()
		p := start(t, PostgresOptions{})
		if err := p.SetPasswords(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, user := range []string{"postgres", "bulkhead_ops"} {
			for _, password := range []string{"", "postgres", "guess"} {
				dsn, err := pg.DSNAs(p.DSN(), user, password)
				if err != nil {
					t.Fatal(err)
				}
				if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
					_ = conn.Close(t.Context())
					t.Errorf("%s came in with password %q", user, password)
				}
			}
		}
		dsn, err := p.DSNFor("ops")
		if err != nil || query(t, dsn, "SELECT current_user || ' ' || session_user") != "bulkhead_ops bulkhead_ops" {
			t.Errorf("%v", err)
		}
	})
	t.Run("gives no address before the roles are set up, nor for a service that does not exist", func(t *testing.T) {
		t.Parallel()
		p := start(t, PostgresOptions{})
		if dsn, err := p.DSNFor("ops"); err == nil {
			t.Errorf("got %s", dsn)
		}
		if err := p.SetPasswords(t.Context()); err != nil {
			t.Fatal(err)
		}
		if dsn, err := p.DSNFor("nobody"); err == nil {
			t.Errorf("got %s", dsn)
		}
	})
	t.Run("keeps what was written when it is started again on the same directory", func(t *testing.T) {
		t.Parallel()
		dir := lasting(t)
		p := start(t, PostgresOptions{DataDir: dir})
		execute(t, p.DSN(), "CREATE TABLE kept AS SELECT 'yes' AS v")
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := query(t, start(t, PostgresOptions{DataDir: dir}).DSN(), "SELECT v FROM kept"); got != "yes" {
			t.Fatal(got)
		}
	})
	t.Run("refuses a directory that another program uses, and names the program", func(t *testing.T) {
		t.Parallel()
		dir := lasting(t)
		start(t, PostgresOptions{DataDir: dir})
		_, err := StartPostgres(t.Context(), PostgresOptions{DataDir: dir})
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "process") {
			t.Fatal(err)
		}
	})
	t.Run("never overwrites a directory that holds something else", func(t *testing.T) {
		t.Parallel()
		dir := lasting(t)
		precious := filepath.Join(dir, "postgres", "thesis.txt")
		if err := errors.Join(os.Mkdir(filepath.Dir(precious), 0o700), os.WriteFile(precious, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
		_, err := StartPostgres(t.Context(), PostgresOptions{DataDir: dir})
		if err == nil || !strings.Contains(err.Error(), "is not a PostgreSQL data directory") {
			t.Fatal(err)
		}
		if _, err := os.Stat(precious); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("says which version is missing when the directory was made by another one", func(t *testing.T) {
		t.Parallel()
		dir := lasting(t)
		version := filepath.Join(dir, "postgres", "PG_VERSION")
		if err := errors.Join(os.Mkdir(filepath.Dir(version), 0o700), os.WriteFile(version, []byte("9\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		_, err := StartPostgres(t.Context(), PostgresOptions{DataDir: dir})
		if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 9") {
			t.Fatal(err)
		}
	})
	t.Run("removes what a killed initdb left and starts", func(t *testing.T) {
		t.Parallel()
		dir := lasting(t)
		half := filepath.Join(dir, "postgres"+halfMade+"123")
		if err := errors.Join(os.Mkdir(half, 0o700), os.WriteFile(filepath.Join(half, "PG_VERSION"), []byte("15"), 0o600)); err != nil {
			t.Fatal(err)
		}
		start(t, PostgresOptions{DataDir: dir})
		if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("the left-over is still there: %v", err)
		}
	})
	t.Run("passes on what the server says when it does not start", func(t *testing.T) {
		t.Parallel()
		_, err := StartPostgres(t.Context(), PostgresOptions{InitCache: os.TempDir(), SharedBuffers: "nonsense"})
		if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers"`) {
			t.Fatal(err)
		}
	})
	t.Run("ends with the context, and leaves nothing", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := StartPostgres(ctx, PostgresOptions{InitCache: os.TempDir()}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func TestGivenServer(t *testing.T) {
	t.Parallel()
	own := start(t, PostgresOptions{})
	execute(t, own.DSN(), "CREATE ROLE clerk LOGIN CREATEROLE PASSWORD 'clerk'", "CREATE DATABASE given OWNER clerk")
	dsn, err := pg.DSNAs(own.DSN(), "clerk", "clerk")
	if err != nil {
		t.Fatal(err)
	}
	if dsn, err = pg.DSNWithDatabase(dsn, "given"); err != nil {
		t.Fatal(err)
	}
	p := start(t, PostgresOptions{DSN: dsn})
	if p.Own() || p.Done() != nil || p.DSN() != dsn {
		t.Fatal("it is taken for our own")
	}
	t.Run("sets up the services with an administrator who is no superuser, and touches no password", func(t *testing.T) {
		if err := p.SetPasswords(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, service := range pg.Services {
			m := pg.Migrations{Service: service, FS: os.DirFS(filepath.Join("..", "..", "services", service, "internal", "store"))}
			if err := pg.Migrate(t.Context(), p.DSN(), m); err != nil {
				t.Fatal(err)
			}
		}
		if got := query(t, own.DSN(), "SELECT count(*)::text FROM pg_authid WHERE rolname LIKE 'bulkhead_%' AND rolpassword IS NOT NULL"); got != "0" {
			t.Errorf("%s roles have a password", got)
		}
	})
	t.Run("lets services work as their role, with its rights only", func(t *testing.T) {
		dsn, err := p.DSNFor("submitter")
		if err != nil {
			t.Fatal(err)
		}
		if got := query(t, dsn, "SELECT current_user"); got != "bulkhead_submitter" {
			t.Fatal(got)
		}
		if got := query(t, dsn, "SELECT has_table_privilege('submitter.lanes', 'INSERT') || ' ' || has_schema_privilege('ops', 'USAGE')"); got != "true false" {
			t.Fatal(got)
		}
	})
	t.Run("goes on running when we stop", func(t *testing.T) {
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		query(t, dsn, "SELECT 'alive'")
	})
}

func TestPredecessor(t *testing.T) {
	t.Parallel()
	// abandon gives up our hold on a server without stopping it, as our death would where no kernel stops it for us.
	abandon := func(t *testing.T, p *Postgres) (pid int) {
		t.Helper()
		if err := p.server.lock.Close(); err != nil {
			t.Fatal(err)
		}
		return p.server.child.process.Pid
	}
	logger := slog.New(slog.DiscardHandler)
	t.Run("that still lives on the directory is stopped", func(t *testing.T) {
		t.Parallel()
		dir := lasting(t)
		first := start(t, PostgresOptions{DataDir: dir})
		execute(t, first.DSN(), "CREATE TABLE kept AS SELECT 'yes' AS v")
		pid := abandon(t, first)
		second := start(t, PostgresOptions{DataDir: dir, Logger: logger})
		if got := query(t, second.DSN(), "SELECT v FROM kept"); got != "yes" || isServerOf(pid, filepath.Join(dir, "postgres")) {
			t.Fatal(got)
		}
	})
	t.Run("that was killed while a backend computes is waited for, and then its backend is killed", func(t *testing.T) {
		t.Parallel()
		dir := lasting(t)
		first := start(t, PostgresOptions{DataDir: dir})
		execute(t, first.DSN(), "CREATE TABLE kept AS SELECT 'yes' AS v")
		busy, err := pgx.Connect(t.Context(), first.DSN())
		if err != nil {
			t.Fatal(err)
		}
		computing := make(chan struct{})
		go func() { // never looks whether its postmaster lives
			defer close(computing)
			_, _ = busy.Exec(context.Background(), "SELECT count(*) FROM generate_series(1, 100000000000)")
		}()
		for query(t, first.DSN(), "SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 1%' AND state = 'active' AND pid <> pg_backend_pid()") != "1" {
			if !sleep(t.Context(), lookEvery) {
				t.Fatal("the backend does not start to compute")
			}
		}
		if err := syscall.Kill(abandon(t, first), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		second := start(t, PostgresOptions{DataDir: dir, Logger: logger})
		<-computing
		if got := query(t, second.DSN(), "SELECT v FROM kept"); got != "yes" {
			t.Fatal(got)
		}
	})
	t.Run("whose pid file names a process that is none of PostgreSQL's is no hindrance", func(t *testing.T) {
		t.Parallel()
		dir := lasting(t)
		first := start(t, PostgresOptions{DataDir: dir})
		if err := first.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		pidFile := filepath.Join(dir, "postgres", "postmaster.pid")
		for _, text := range []string{"1\n", "", "not a number\n", "99999999\n/nowhere\n"} {
			if err := os.WriteFile(pidFile, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := start(t, PostgresOptions{DataDir: dir, Logger: logger}).Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// childWords is what a child of these tests says when its servers run.
type childWords struct {
	DSN  string
	Work string
	Data string
}

// TestMain makes the test binary also the program that is killed: with the variable set it runs servers until it dies.
func TestMain(m *testing.M) {
	dir := os.Getenv("LOCAL_TEST_CHILD")
	if dir == "" {
		os.Exit(m.Run())
	}
	if dir == "temporary" {
		dir = ""
	}
	p, err := StartPostgres(context.Background(), PostgresOptions{DataDir: dir, Fsync: true, InitCache: os.Getenv("LOCAL_TEST_CACHE")})
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	data := query1(p.DSN(), "SHOW data_directory")
	_ = json.NewEncoder(os.Stdout).Encode(childWords{DSN: p.DSN(), Work: p.server.work.path, Data: data})
	select {}
}

func query1(dsn, statement string) (got string) {
	conn, err := pgx.Connect(context.Background(), dsn)
	if err == nil {
		_ = conn.QueryRow(context.Background(), statement).Scan(&got)
		_ = conn.Close(context.Background())
	}
	return got
}

// startChildProgram runs this test binary as a program of its own, in a process group of its own.
func startChildProgram(t *testing.T, program, dir string, attr *syscall.SysProcAttr) (*exec.Cmd, childWords) {
	t.Helper()
	attr.Setpgid = true
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "LOCAL_TEST_CHILD="+dir, "LOCAL_TEST_CACHE="+os.TempDir())
	cmd.SysProcAttr = attr
	cmd.Dir = "/"
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	var words childWords
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &words) != nil {
		t.Fatalf("the child said %q, %v", line, err)
	}
	return cmd, words
}

func killGroup(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

func TestKilled(t *testing.T) {
	t.Parallel()
	t.Run("with our whole process group, the server ends and the next start keeps every committed row", func(t *testing.T) {
		t.Parallel()
		dir := lasting(t)
		for round := range 3 {
			cmd, words := startChildProgram(t, os.Args[0], dir, &syscall.SysProcAttr{})
			execute(t, words.DSN, "CREATE TABLE IF NOT EXISTS kept (round text)", "INSERT INTO kept VALUES ('yes')")
			killGroup(t, cmd)
			if round == 1 {
				gone, err := until(t.Context(), 10*time.Second, func() bool { return len(serversOf(words.Data)) == 0 })
				if err != nil || !gone {
					t.Fatalf("the server survived us: %v", err)
				}
			}
		}
		p := start(t, PostgresOptions{DataDir: dir})
		if got := query(t, p.DSN(), "SELECT count(*)::text FROM kept"); got != "3" {
			t.Fatalf("%s of 3 rows are left", got)
		}
	})
	t.Run("without a directory of our own, the temporary one goes too", func(t *testing.T) {
		t.Parallel()
		cmd, words := startChildProgram(t, os.Args[0], "temporary", &syscall.SysProcAttr{})
		killGroup(t, cmd)
		gone, err := until(t.Context(), 20*time.Second, func() bool {
			_, err := os.Stat(words.Work)
			return errors.Is(err, fs.ErrNotExist) && len(serversOf(words.Data)) == 0
		})
		if err != nil || !gone {
			t.Fatalf("%s is still there: %v", words.Work, err)
		}
	})
}
