package local

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/pg"
)

// A replica needs settings that our own servers do not have, so it is started by hand here.
func TestReplica(t *testing.T) {
	t.Parallel()
	dir := lasting(t)
	a, err := serverAccount("")
	if err != nil {
		t.Fatal(err)
	}
	bin, err := findBinaries(t.Context(), 0, searchPatterns)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.own(dir); err != nil {
		t.Fatal(err)
	}
	work := &workDir{path: dir}
	su := setup{o: PostgresOptions{InitCache: os.TempDir(), Logger: slog.New(slog.DiscardHandler)}, account: a, bin: bin, work: work, dataDir: filepath.Join(dir, "data")}
	if err := errors.Join(su.makeCluster(t.Context()), su.writeAccessFiles(), os.WriteFile(filepath.Join(su.dataDir, "standby.signal"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	port, err := freePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	su.o.SharedBuffers = "32MB"
	cmd := exec.Command(bin.path("postgres"), append(su.arguments(port), "-c", "wal_level=replica", "-c", "max_wal_senders=10", "-c", "hot_standby=on")...)
	cmd.SysProcAttr, cmd.Dir, cmd.Env = attributes(a), su.dataDir, environment()
	cmd.Stderr = t.Output()
	c, err := startChild(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.process.Kill(); <-c.done })
	if err := su.waitReady(t.Context(), c, port); err != nil {
		t.Fatal(err)
	}
	dsn := su.socketDSN(port, "postgres")
	t.Run("is refused by a pool, with the reason", func(t *testing.T) {
		if _, err := pg.Open(t.Context(), dsn, pg.Options{}); !errors.Is(err, pg.ErrReplica) || !strings.Contains(err.Error(), "primary") {
			t.Fatal(err)
		}
	})
	t.Run("is refused as a given server", func(t *testing.T) {
		if _, err := StartPostgres(t.Context(), PostgresOptions{DSN: dsn, StartTimeout: 10 * time.Second}); !errors.Is(err, pg.ErrReplica) {
			t.Fatal(err)
		}
	})
}
