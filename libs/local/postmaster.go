package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"bulkhead/libs/pg"
)

const (
	adminRole    = "postgres"
	databaseName = "bulkhead"
	// startTries bounds starts that fail because somebody took the free port first or an old backend is still there.
	startTries = 10
)

// postmaster is a PostgreSQL that we started.
type postmaster struct {
	child    *child
	dsn      string
	work     *workDir
	lock     *os.File // of the data directory; nil for a temporary cluster
	stopOnce sync.Once
	stopErr  error
}

// setup is what a start needs to know; plain data.
type setup struct {
	o       PostgresOptions
	account account
	bin     binaries
	work    *workDir
	dataDir string
	logPath string
}

// startServer makes or takes over the data directory, starts the server and makes the way in. What fails undoes itself.
func startServer(ctx context.Context, o PostgresOptions) (_ *postmaster, err error) {
	s := &postmaster{}
	su := setup{o: o}
	if o.DataDir != "" {
		if err := os.MkdirAll(o.DataDir, 0o755); err != nil {
			return nil, fmt.Errorf("make the data directory: %w", err)
		}
		if su.o.DataDir, err = filepath.Abs(o.DataDir); err != nil {
			return nil, fmt.Errorf("data directory %s: %w", o.DataDir, err)
		}
		su.dataDir = filepath.Join(su.o.DataDir, "postgres")
		su.logPath = filepath.Join(su.o.DataDir, "postgres.log")
		if s.lock, err = lockFile(filepath.Join(su.o.DataDir, "postgres.lock"), su.dataDir); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil && s.lock != nil {
			_ = s.lock.Close()
		}
	}()
	if su.account, err = serverAccount(su.dataDir); err != nil {
		return nil, err
	}
	major, err := majorOf(su.dataDir)
	if err != nil {
		return nil, err
	}
	if su.bin, err = findBinaries(ctx, major, searchPatterns); err != nil {
		return nil, err
	}
	if su.work, err = newWorkDir("bulkhead-pg-", su.account); err != nil {
		return nil, err
	}
	s.work = su.work
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop(context.WithoutCancel(ctx)))
		}
	}()
	if su.dataDir == "" {
		su.dataDir = filepath.Join(su.work.path, "data")
		su.logPath = filepath.Join(su.work.path, "postgres.log")
	}
	if err := su.makeCluster(ctx); err != nil {
		return nil, err
	}
	if err := su.writeAccessFiles(); err != nil {
		return nil, err
	}
	port, err := su.launch(ctx, s)
	if err != nil {
		return nil, err
	}
	s.dsn, err = su.openDoors(ctx, port)
	return s, err
}

// writeAccessFiles says who may come in: over TCP with a password, through the socket only the user that we run as.
func (su setup) writeAccessFiles() error {
	self, err := user.Current()
	if err != nil {
		return fmt.Errorf("our own user has no entry in the user database, and PostgreSQL needs one: %w", err)
	}
	for name, text := range map[string]string{
		"pg_hba.conf":   "local all " + adminRole + " peer map=bulkhead\nhost all all 127.0.0.1/32 scram-sha-256\n",
		"pg_ident.conf": fmt.Sprintf("bulkhead \"%s\" %s\n", self.Username, adminRole),
	} {
		path := filepath.Join(su.work.path, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write PostgreSQL's access rules: %w", err)
		}
		if err := su.account.own(path); err != nil {
			return err
		}
	}
	return nil
}

// arguments are the server's settings for one machine. They are given on the command line so that a directory made by
// an earlier version needs no editing.
func (su setup) arguments(port int) []string {
	set := [][2]string{
		{"listen_addresses", "127.0.0.1"},
		{"port", strconv.Itoa(port)},
		{"unix_socket_directories", su.work.path},
		{"unix_socket_permissions", "0700"},
		{"hba_file", filepath.Join(su.work.path, "pg_hba.conf")},
		{"ident_file", filepath.Join(su.work.path, "pg_ident.conf")},
		{"cluster_name", "bulkhead"},
		{"password_encryption", "scram-sha-256"},
		{"max_connections", "200"},
		{"shared_buffers", su.o.SharedBuffers},
		{"wal_level", "minimal"}, // nobody replicates from a laptop
		{"max_wal_senders", "0"},
		{"max_logical_replication_workers", "0"},
		{"max_wal_size", "2GB"}, // fewer checkpoints while a load runs
		{"jit", "off"},          // compiling costs more than our short statements
		{"timezone", "UTC"},
		{"log_timezone", "UTC"},
		{"log_line_prefix", "%m [%p] %q%a "},
		{"log_checkpoints", "off"},
		{"logging_collector", "off"},
	}
	if su.o.Fsync {
		set = append(set, [2]string{"fsync", "on"}, [2]string{"synchronous_commit", "on"}, [2]string{"full_page_writes", "on"})
	} else {
		set = append(set, [2]string{"fsync", "off"}, [2]string{"full_page_writes", "off"}, [2]string{"bulkhead.durability", "unsafe"})
	}
	for _, name := range slices.Sorted(maps.Keys(su.o.Settings)) {
		set = append(set, [2]string{name, su.o.Settings[name]}) // of two values of one name the server takes the later
	}
	args := []string{"-D", su.dataDir}
	for _, s := range set {
		args = append(args, "-c", s[0]+"="+s[1])
	}
	return args
}

// launch starts the server on a free port and waits until it answers. It tries again when the port was taken in between
// or a dead server's memory is still in use.
func (su setup) launch(ctx context.Context, s *postmaster) (int, error) {
	for try := 1; ; try++ {
		if err := clearPredecessor(ctx, su.dataDir, su.o.Logger); err != nil {
			return 0, err
		}
		port, err := freePort(ctx)
		if err != nil {
			return 0, err
		}
		logFile, start, err := su.openLog()
		if err != nil {
			return 0, err
		}
		cmd := exec.Command(su.bin.path("postgres"), su.arguments(port)...)
		cmd.SysProcAttr = attributes(su.account)
		cmd.Dir, cmd.Env = su.dataDir, environment()
		cmd.Stdout, cmd.Stderr = logFile, logFile
		began := time.Now()
		s.child, err = startChild(cmd)
		_ = logFile.Close()
		if err != nil {
			return 0, err
		}
		err = su.waitReady(ctx, s.child, port)
		if err == nil {
			su.o.Logger.DebugContext(ctx, "PostgreSQL started", "pid", s.child.process.Pid, "port", port, "data_dir", su.dataDir, "seconds", time.Since(began).Seconds())
			return port, nil
		}
		if !s.child.ended() {
			return 0, fmt.Errorf("start PostgreSQL: %w; its log is %s", err, su.logPath)
		}
		said := logTail(su.logPath, start)
		if try == startTries || !mayStartLater(said) {
			return 0, fmt.Errorf("PostgreSQL does not start on %s: %s", su.dataDir, oneLine(said))
		}
		if !sleep(ctx, time.Duration(try)*100*time.Millisecond) {
			return 0, ctx.Err()
		}
	}
}

// mayStartLater says whether the server refused for a reason that passes.
func mayStartLater(said []byte) bool {
	for _, words := range []string{"Address already in use", "pre-existing shared memory block", "lock file"} {
		if bytes.Contains(said, []byte(words)) {
			return true
		}
	}
	return false
}

// waitReady waits until the server answers through its socket. Recovery after a crash is waited for.
func (su setup) waitReady(ctx context.Context, c *child, port int) error {
	for {
		conn, err := pgx.Connect(ctx, su.socketDSN(port, "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		timer := time.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("it does not answer: %w", err)
		case <-c.done:
			timer.Stop()
			return errors.New("it ended")
		case <-timer.C:
		}
	}
}

// openDoors makes the database and the administrator's password of this run, and returns the address over TCP.
func (su setup) openDoors(ctx context.Context, port int) (string, error) {
	conn, err := pgx.Connect(ctx, su.socketDSN(port, "postgres"))
	if err != nil {
		return "", fmt.Errorf("connect to our PostgreSQL: %w", err)
	}
	var exists bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", databaseName).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+databaseName)
	}
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return "", fmt.Errorf("make the database: %w", err)
	}
	password := rand.Text()
	if err := pg.SetPassword(ctx, su.socketDSN(port, databaseName), adminRole, password); err != nil {
		return "", err
	}
	dsn := url.URL{
		Scheme: "postgres", User: url.UserPassword(adminRole, password), Path: "/" + databaseName,
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), RawQuery: "sslmode=disable",
	}
	return dsn.String(), nil
}

func (su setup) socketDSN(port int, database string) string {
	query := url.Values{"host": {su.work.path}, "port": {strconv.Itoa(port)}, "sslmode": {"disable"}, "connect_timeout": {"5"}}
	return (&url.URL{Scheme: "postgres", User: url.User(adminRole), Path: "/" + database, RawQuery: query.Encode()}).String()
}

// freePort asks the kernel for a port that nobody listens on now.
func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("look for a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
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
