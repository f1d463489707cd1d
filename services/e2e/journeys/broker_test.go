package journeys

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// broker is a NATS server that is a process of its own, with a directory that outlives it: one that is killed comes back on the same address.
type broker struct {
	proc    *process
	address string
	store   string // its JetStream directory
	config  string
}

const brokerConfig = `listen: %q
server_name: "journey"
max_payload: 1MB
jetstream { store_dir: %q, max_file_store: 1TB, sync_interval: always }
`

// newBroker starts one on a free port.
func newBroker(t *testing.T) *broker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := &broker{address: l.Addr().String(), store: filepath.Join(dir, "store"), config: filepath.Join(dir, "nats.conf")}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.config, fmt.Appendf(nil, brokerConfig, b.address, b.store), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start(t)
	return b
}

func (b *broker) url() string { return "nats://" + b.address }

// start starts it on what its directory holds, and waits until it serves.
func (b *broker) start(t *testing.T) {
	t.Helper()
	p := launch(t, "nats", exec.Command(program(t, "nats-server"), "--config", b.config))
	b.proc = p
	t.Cleanup(p.kill) // asked politely, it ends with a code that says that it was asked
	eventually(t, "the broker serves", func(ctx context.Context) (bool, error) {
		if !p.alive() {
			t.Fatalf("the broker has ended:\n%s", p.stderr)
		}
		nc, err := nats.Connect(b.url(), nats.NoReconnect())
		if err != nil {
			return false, err
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			return false, err
		}
		_, err = js.AccountInfo(ctx)
		return err == nil, err
	})
}

// kill ends it at once, as a power switch would.
func (b *broker) kill() { b.proc.kill() }

// streams are the directories of its streams, by their names.
func (b *broker) streams(t *testing.T) map[string]string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(b.store, "jetstream", "*", "streams", "*"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, dir := range found {
		out[filepath.Base(dir)] = dir
	}
	return out
}

// forgetAllButRecords kills it, deletes everything that its directory holds but the messages of the RECORDS streams, and starts it again.
func (b *broker) forgetAllButRecords(t *testing.T) {
	t.Helper()
	eventually(t, "there is something to forget", func(context.Context) (bool, error) {
		there := b.streams(t)
		return there["FLOW"] != "" && there["DLQ"] != "", fmt.Errorf("there are the streams %v", there)
	})
	b.kill()
	kept := map[string]bool{}
	for name, dir := range b.streams(t) {
		kept[dir] = strings.HasPrefix(name, "RECORDS_")
	}
	err := filepath.WalkDir(b.store, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && kept[path]:
			if err := os.RemoveAll(filepath.Join(path, "obs")); err != nil {
				return err
			}
			return fs.SkipDir
		case !entry.IsDir():
			return os.Remove(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, keep := range kept {
		if !keep {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.start(t)
}

// copied is what a stream's directory held at one moment.
type copied struct{ stream, dir string }

// snapshot kills it, keeps a copy of what a stream holds, and starts it again.
func (b *broker) snapshot(t *testing.T, stream string) copied {
	t.Helper()
	b.kill()
	c := copied{stream, filepath.Join(t.TempDir(), stream)}
	if err := os.CopyFS(c.dir, os.DirFS(b.streams(t)[stream])); err != nil {
		t.Fatal(err)
	}
	b.start(t)
	return c
}

// restore kills it, puts a stream back to what it held, and starts it again.
func (b *broker) restore(t *testing.T, c copied) {
	t.Helper()
	b.kill()
	dir := b.streams(t)[c.stream]
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
	b.start(t)
}
