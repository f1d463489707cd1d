package local

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func startNATS(t *testing.T, o NATSOptions) *NATS {
	t.Helper()
	n, err := StartNATS(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return n
}

func connect(t *testing.T, n *NATS) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(n.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// lines are what a logger wrote.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestStartNATS(t *testing.T) {
	t.Parallel()
	t.Run("keeps streams when it is started again on the same directory", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		first := startNATS(t, NATSOptions{Dir: dir, SyncAlways: true})
		js := connect(t, first)
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), "s", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := first.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := first.Stop(t.Context()); err != nil {
			t.Fatalf("the second Stop: %v", err)
		}
		stream, err := connect(t, startNATS(t, NATSOptions{Dir: dir, SyncAlways: true})).Stream(t.Context(), "S")
		if err != nil || stream.CachedInfo().State.Msgs != 1 {
			t.Fatalf("%v", err)
		}
	})
	t.Run("reads its streams anew after a write failed, with all that was acknowledged, and connections stay", func(t *testing.T) {
		t.Parallel()
		said := make(lines, 100)
		n := startNATS(t, NATSOptions{Dir: t.TempDir(), SyncAlways: true, Logger: slog.New(slog.NewTextHandler(said, nil))})
		js := connect(t, n)
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), "s", []byte("x")); err != nil {
			t.Fatal(err)
		}
		n.mender.heard("JetStream stream '$G > S' critical write error: no space left on device")
		for _, text := range []string{"make room on its disk", "can write its store again"} {
			select {
			case line := <-said:
				if !strings.Contains(line, text) {
					t.Fatalf("%s, want %q", line, text)
				}
			case <-time.After(time.Minute):
				t.Fatalf("it never said %q", text)
			}
		}
		ack, err := js.Publish(t.Context(), "s", []byte("y"))
		if err != nil || ack.Sequence != 2 {
			t.Fatalf("%+v, %v", ack, err)
		}
		if left, err := filepath.Glob(filepath.Join(n.mender.store, "room*")); err != nil || len(left) > 0 {
			t.Errorf("%q is left, %v", left, err)
		}
	})
	t.Run("takes its temporary directory with it", func(t *testing.T) {
		t.Parallel()
		n := startNATS(t, NATSOptions{})
		if err := n.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(n.work.path); !os.IsNotExist(err) {
			t.Fatalf("%s is still there: %v", n.work.path, err)
		}
	})
	t.Run("names the port that is taken, and does not end our process", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		port := l.Addr().(*net.TCPAddr).Port
		_, err = StartNATS(t.Context(), NATSOptions{Port: port})
		if err == nil || !strings.Contains(err.Error(), strconv.Itoa(port)) || !strings.Contains(err.Error(), "in use") {
			t.Fatal(err)
		}
	})
	t.Run("refuses a directory that another server uses", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		startNATS(t, NATSOptions{Dir: dir})
		if _, err := StartNATS(t.Context(), NATSOptions{Dir: dir}); !errors.Is(err, ErrInUse) {
			t.Fatal(err)
		}
	})
	t.Run("refuses a message above the bound", func(t *testing.T) {
		t.Parallel()
		js := connect(t, startNATS(t, NATSOptions{MaxPayload: 1 << 10}))
		if _, err := js.Publish(t.Context(), "s", make([]byte, 2<<10)); !errors.Is(err, nats.ErrMaxPayload) {
			t.Fatal(err)
		}
	})
}
