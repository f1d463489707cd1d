package journeys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// wire stands between a stack and its org, at an address that stays. What goes over it is not looked at.
type wire struct {
	address string

	mu       sync.Mutex
	listener net.Listener // nil while nobody answers
	leadsTo  string       // where connections go; "" = they are taken and nothing comes back
	conns    map[net.Conn]bool
	all      sync.WaitGroup
}

// newWire makes a wire that leads to an address such as http://127.0.0.1:8082.
func newWire(t *testing.T, to string) *wire {
	t.Helper()
	w := &wire{address: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	w.leadTo(t, to)
	t.Cleanup(func() {
		w.cut()
		w.all.Wait()
	})
	return w
}

func (w *wire) url() string { return "http://" + w.address }

// leadTo makes the wire lead to an address from now on; what was open breaks.
func (w *wire) leadTo(t *testing.T, to string) {
	t.Helper()
	w.cut()
	l, err := net.Listen("tcp", w.address)
	if err != nil {
		t.Fatalf("the wire at %s: %v", w.address, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.address, w.listener, w.leadsTo = l.Addr().String(), l, strings.TrimPrefix(to, "http://")
	w.all.Go(func() { w.accept(l) })
}

// silence makes the wire take connections and carry nothing, as a firewall that drops packets does.
func (w *wire) silence(t *testing.T) { w.leadTo(t, "") }

// cut makes the wire refuse connections; what was open breaks.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listener != nil {
		_ = w.listener.Close()
		w.listener = nil
	}
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
}

func (w *wire) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		if w.listener != l {
			_ = c.Close()
		} else {
			w.carry(c)
		}
		w.mu.Unlock()
	}
}

// carry connects both sides; the lock is held.
func (w *wire) carry(c net.Conn) {
	w.conns[c] = true
	if w.leadsTo == "" {
		return
	}
	to := w.leadsTo
	w.all.Go(func() {
		defer w.drop(c)
		far, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer far.Close()
		w.all.Go(func() {
			_, _ = io.Copy(far, c)
			_ = far.Close() // ends the other direction too
		})
		_, _ = io.Copy(c, far)
	})
}

func (w *wire) drop(c net.Conn) {
	_ = c.Close()
	w.mu.Lock()
	delete(w.conns, c)
	w.mu.Unlock()
}

// statusSays waits until `bulkhead status`, which has to end with 3 meanwhile, prints all of these texts.
func (s *stack) statusSays(t *testing.T, texts ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("status says %q", texts), func(context.Context) (bool, error) {
		r := cli{s.ops}.run(t, "status")
		if r.code != 3 {
			return false, fmt.Errorf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
		}
		for _, text := range texts {
			if !strings.Contains(r.stdout, text) {
				return false, fmt.Errorf("no %q in\n%s", text, r.stdout)
			}
		}
		return true, nil
	})
}

// openNote waits until an open item of the API has this text in its note, and returns who must move it.
func (s *stack) openNote(t *testing.T, text string) (owner string) {
	t.Helper()
	eventually(t, fmt.Sprintf("an open item says %q", text), func(ctx context.Context) (bool, error) {
		var st struct {
			Open []struct {
				Owner string `json:"owner"`
				Note  string `json:"note"`
			} `json:"open_items"`
		}
		if err := ask(ctx, http.MethodGet, s.ops+"/v1/status", nil, &st); err != nil {
			return false, err
		}
		for _, o := range st.Open {
			if strings.Contains(o.Note, text) {
				owner = o.Owner
				return true, nil
			}
		}
		return false, fmt.Errorf("open items %+v", st.Open)
	})
	return owner
}

// logged waits until the stack has logged a text.
func (s *stack) logged(t *testing.T, text string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the log says %q", text), func(context.Context) (bool, error) {
		return strings.Contains(s.proc.stderr.String(), text), errors.New("not in what is kept of it")
	})
}

// accepted waits until so many records of all pipelines are accepted.
func (s *stack) accepted(t *testing.T, n int64) {
	t.Helper()
	eventually(t, itoa(n)+" records are accepted", func(ctx context.Context) (bool, error) {
		b, err := readBalance(ctx, s.ops, "")
		return b.Balance.Accepted == n, errors.Join(err, fmt.Errorf("%+v", b.Balance))
	})
}

// resume lifts the pauses of a pipeline.
func (s *stack) resume(t *testing.T, pipeline string) {
	t.Helper()
	cli{s.ops}.wants(t, 0, "pipelines", "resume", pipeline, "--reason", "the cause is gone")
}

// restart ends the stack politely and starts another in its place.
func (s *stack) restart(t *testing.T, up func() *stack) *stack {
	t.Helper()
	s.stopWatch()
	if code := s.proc.stop(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return up()
}

// sentOnce fails the test for every key that stands in more than one closed job.
func (o org) sentOnce(t *testing.T, object string) {
	t.Helper()
	for k, sent := range o.sendings(t, object) {
		if len(sent) != 1 {
			t.Errorf("%s %s was sent in %d closed jobs, want one: %+v", object, k, len(sent), sent)
		}
	}
}

// id is the org's 18-character id.
func (o org) id(t *testing.T) string {
	t.Helper()
	var out struct {
		ID string `json:"org_id"`
	}
	if err := ask(t.Context(), http.MethodGet, o.url+"/", nil, &out); err != nil {
		t.Fatal(err)
	}
	return out.ID
}
