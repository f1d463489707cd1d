package load

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// silent is an input that says something and then nothing more.
type silent struct {
	text    string
	waiting chan struct{} // closed when a read waits
	end     chan struct{}
}

func (s *silent) Read(p []byte) (int, error) {
	if s.text != "" {
		n := copy(p, s.text)
		s.text = s.text[n:]
		return n, nil
	}
	close(s.waiting)
	<-s.end
	return 0, errors.New("nobody hears this")
}

func TestWaitingForInput(t *testing.T) {
	for name, said := range map[string]string{
		"an interrupt ends it before anything was said":              "",
		"an interrupt ends it in the middle of a row":                "id,name\n1,",
		"an interrupt ends it while the temporary file is filled":    "id,name\n" + strings.Repeat("1,A\n", readBuffer),
		"an interrupt ends it behind the start of a compressed file": string(magicGzip),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			in := &silent{text: said, waiting: make(chan struct{}), end: make(chan struct{})}
			defer close(in.end)
			go func() {
				<-in.waiting
				cancel()
			}()
			if _, err := openSource(ctx, "-", in); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	t.Run("an interrupt ends it for a named pipe that nobody writes to", func(t *testing.T) {
		path := pipe(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := openSource(ctx, path, nil)
			done <- err
		}()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		release(t, path)
	})
	t.Run("a named pipe is read when somebody writes to it", func(t *testing.T) {
		path := pipe(t)
		go func() { _ = os.WriteFile(path, []byte(text), 0o600) }() // what is lacking is seen below
		k, err := know(t, path, Reading{})
		if err != nil || k.rows != 2 {
			t.Errorf("%+v, %v", k, err)
		}
	})
}

func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// release lets an open of a named pipe end that still waits for a writer.
func release(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
