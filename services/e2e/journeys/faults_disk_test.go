package journeys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
)

// disk is a small file system of its own, which a test fills and frees.
type disk struct {
	path    string
	ballast string
}

// smallDisk mounts a file system of so many MiB. It takes root, or CAP_SYS_ADMIN: no other way fills a disk under NATS and PostgreSQL alone.
func smallDisk(t *testing.T, path string, mib int) *disk {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0755", mib)); err != nil {
		t.Fatalf("mount a tmpfs on %s: %v; this test fills a disk of its own: run it as root, or with the capability CAP_SYS_ADMIN "+
			"(in a container: --cap-add SYS_ADMIN)", path, err)
	}
	t.Cleanup(func() {
		// What still holds a file of it, such as a process that a failed test left, must not keep the mount.
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", path, err)
		}
	})
	return &disk{path: path, ballast: filepath.Join(path, "ballast")}
}

// fill leaves nothing free. What is freed by others meanwhile is not taken.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(d.ballast, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for len(block) > 0 {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func (d *disk) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.ballast); err != nil {
		t.Fatal(err)
	}
}

// TestAFullDiskOfTheBrokerRefusesThePublisher: what is refused is not counted, what was acknowledged lands, and it goes on
// when there is room again, without a restart.
func TestAFullDiskOfTheBrokerRefusesThePublisher(t *testing.T) {
	inTurn(t)
	data := dataDir(t)
	d := smallDisk(t, filepath.Join(data, "nats"), 64)
	address, org := simulator(t)
	dir := quickPipelines(t)
	s := dev(t, "--data", data, "--sim", address, "--pipelines", dir)
	c := s.client(t)
	keys := keysOf("d", 3000)
	taken := map[string]bool{}
	// publish gives a record to the broker once; an error says that it was not taken, or that nobody knows.
	publish := func(ctx context.Context, key string) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := c.js.PublishMsg(ctx, message{id: "evt-" + key, body: account(key)}.msg(t, "accounts"), jetstream.WithRetryAttempts(0))
		if err == nil {
			taken[key] = true
		}
		return err
	}
	next := 0
	for ; next < 50; next++ {
		if err := publish(t.Context(), keys[next]); err != nil {
			t.Fatal(err)
		}
	}
	s.settle(t, "", 50)

	d.fill(t)
	var refused error
	for ; refused == nil && next < len(keys); next++ {
		refused = publish(t.Context(), keys[next])
	}
	if refused == nil {
		t.Fatalf("the broker took %d records on a full disk", next)
	}
	t.Logf("%d records were taken, then: %v", len(taken), refused)
	s.logged(t, "no space left on device")
	s.logged(t, "make room on its disk")
	for _, k := range keys[next : next+5] {
		if publish(t.Context(), k) == nil {
			t.Logf("%s was taken on a full disk", k)
		}
	}
	next += 5
	if r := (cli{s.ops}).run(t, "status"); r.code == 1 || r.code == 2 {
		t.Errorf("status while the disk is full: %d\n%s%s", r.code, r.stdout, r.stderr)
	}

	d.free(t)
	eventually(t, "every record is taken", func(ctx context.Context) (bool, error) {
		for _, k := range keys[:next+50] {
			if taken[k] {
				continue
			}
			if err := publish(ctx, k); err != nil { // with its id: taken twice, it is a repeat
				return false, err
			}
		}
		return true, nil
	})
	b := s.settle(t, "", int64(next+50))
	if n := int64(next + 50); b.Balance != (balance{Accepted: n, Landed: n}) {
		t.Errorf("%+v, want the %d records that were published", b.Balance, n)
	}
	if rows := org.rows(t, "Account"); len(rows) != next+50 {
		t.Errorf("the org holds %d accounts, want %d", len(rows), next+50)
	}
	org.checkSentAgain(t, "Account")
}

// TestAFullDiskOfTheLedgerStopsEverythingAndLosesNothing: PostgreSQL refuses what it cannot write, or ends; nothing is decided that
// is not written, and what the broker took is carried when there is room.
func TestAFullDiskOfTheLedgerStopsEverythingAndLosesNothing(t *testing.T) {
	inTurn(t)
	data := dataDir(t)
	d := smallDisk(t, data, 768)
	if err := os.Mkdir(filepath.Join(data, "nats"), 0o700); err != nil {
		t.Fatal(err)
	}
	smallDisk(t, filepath.Join(data, "nats"), 256) // the broker's own: it has room all the time
	address, org := simulator(t)
	dir := quickPipelines(t)
	up := func() *stack { return dev(t, "--data", data, "--sim", address, "--pipelines", dir) }
	s := up()
	keys := keysOf("p", 4000)
	s.client(t).publish(t, "accounts", messagesOf(keys[:100], account)...)
	s.settle(t, "", 100)

	// comesBack makes room, starts what has ended, and waits until n records have landed.
	comesBack := func(t *testing.T, n int64) {
		t.Helper()
		ended := s.proc.endsWithin(5 * time.Second)
		if ended {
			t.Log("PostgreSQL ended, and dev with it")
			if code := s.proc.cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			if !strings.Contains(s.proc.stderr.String(), "PostgreSQL ended by itself; its log above says why") {
				t.Error("dev does not say why it ended")
			}
			s.stopWatch()
		}
		d.free(t)
		if ended {
			s = up()
		}
		if b := s.settle(t, "", n); b.Balance != (balance{Accepted: n, Landed: n}) || len(b.FailedAttempts) > 0 {
			t.Errorf("%+v failed attempts %v, want %d landed at the first try", b.Balance, b.FailedAttempts, n)
		}
	}
	t.Run("no table can grow", func(t *testing.T) {
		d.fill(t)
		s.client(t).publish(t, "accounts", messagesOf(keys[100:3000], account)...)
		s.logged(t, "No space left on device")
		comesBack(t, 3000)
	})
	t.Run("its own log can not grow either", func(t *testing.T) {
		s.client(t).publish(t, "accounts", messagesOf(keys[3000:3500], account)...)
		d.fill(t)
		conn, err := pgx.Connect(t.Context(), s.dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		eventually(t, "PostgreSQL cannot write its log", func(ctx context.Context) (bool, error) {
			_, err := conn.Exec(ctx, "SELECT pg_logical_emit_message(true, 'room', repeat('x', 4000000))")
			return err != nil, nil
		})
		s.logged(t, "No space left on device")
		comesBack(t, 3500)
		s.client(t).publish(t, "accounts", messagesOf(keys[3500:], account)...)
		s.settle(t, "", int64(len(keys)))
	})
	if rows := org.rows(t, "Account"); len(rows) != len(keys) {
		t.Errorf("the org holds %d accounts, want %d", len(rows), len(keys))
	}
	org.sentOnce(t, "Account")
}
