package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait.
const patience = 10 * time.Second

// upstream is a server that notes what it gets and answers each byte with itself.
type upstream struct {
	net.Listener
	mu  sync.Mutex
	got bytes.Buffer
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.MultiWriter(u, c), c)
				_ = c.Close()
			}()
		}
	}()
	return u
}

func (u *upstream) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.got.Write(p)
}

func (u *upstream) heard(n int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.got.Len() >= n
}

func setup(t *testing.T) (*upstream, *Link) {
	t.Helper()
	u := newUpstream(t)
	l, err := Listen(t.Context(), "127.0.0.1:0", func() string { return u.Addr().String() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return u, l
}

func dial(t *testing.T, l *Link) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", l.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// echo sends bytes and reads them back.
func echo(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("%q came back, %v", got, err)
	}
}

func lift(t *testing.T, l *Link, id string) {
	t.Helper()
	if err := l.Lift(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// gone waits until a connection was reset.
func gone(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("the connection ended with %v, not by a reset", err)
	}
}

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		}
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	t.Run("hands on what is sent, in both directions, and that one side has ended", func(t *testing.T) {
		t.Parallel()
		_, l := setup(t)
		c := dial(t, l)
		sent := make([]byte, 3<<20)
		for i := range sent {
			sent[i] = byte(rand.Uint32())
		}
		go func() {
			_, _ = c.Write(sent)
			_ = c.CloseWrite()
		}()
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d of %d bytes came back, %v", len(got), len(sent), err)
		}
	})
	t.Run("resets what is connected when it is cut, refuses who comes, and is there again at the same address", func(t *testing.T) {
		t.Parallel()
		_, l := setup(t)
		c := dial(t, l)
		echo(t, c, "before")
		l.Apply("a", Condition{Cut: true})
		gone(t, c)
		if c, err := net.Dial("tcp", l.Address()); err == nil {
			_ = c.Close()
			t.Fatal("a cut link took a connection")
		}
		l.Apply("b", Condition{Cut: true})
		lift(t, l, "a")
		if c, err := net.Dial("tcp", l.Address()); err == nil {
			_ = c.Close()
			t.Fatal("the second cut was lifted with the first")
		}
		lift(t, l, "b")
		echo(t, dial(t, l), "after")
	})
	t.Run("is late by the delay, in order, for connections that there were and new ones", func(t *testing.T) {
		t.Parallel()
		_, l := setup(t)
		old := dial(t, l)
		echo(t, old, "x")
		const late = 60 * time.Millisecond
		l.Apply("a", Condition{Delay: late, Jitter: late / 4})
		for _, c := range []net.Conn{old, dial(t, l)} {
			began := time.Now()
			echo(t, c, "abcdef")
			if took := time.Since(began); took < 2*(late-late/4) {
				t.Errorf("there and back took %s", took)
			}
		}
		lift(t, l, "a")
		echo(t, old, "y")
	})
	t.Run("lets requests arrive and loses the answers, and resets what lost something when that ends", func(t *testing.T) {
		t.Parallel()
		u, l := setup(t)
		idle, busy := dial(t, l), dial(t, l)
		echo(t, idle, "a")
		echo(t, busy, "b")
		l.Apply("a", Condition{Silent: true})
		fresh := dial(t, l)
		for _, c := range []net.Conn{busy, fresh} {
			if _, err := io.WriteString(c, "commit"); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "both requests arrive", func() bool { return u.heard(2 + 12) })
		if err := busy.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := busy.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Fatal("an answer came back")
		}
		if err := busy.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		// The answers must have come to the link before it is lifted, or they are lost to nobody.
		eventually(t, "both answers are lost", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			n := 0
			for c := range l.conns {
				if c.holed.Load() {
					n++
				}
			}
			return n == 2
		})
		lift(t, l, "a")
		gone(t, busy)
		gone(t, fresh)
		echo(t, idle, "still there")
	})
	t.Run("keeps requests from the upstream when it swallows them", func(t *testing.T) {
		t.Parallel()
		u, l := setup(t)
		l.Apply("a", Condition{Silent: true, Swallow: true})
		c := dial(t, l)
		if _, err := io.WriteString(c, "commit"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the request is swallowed", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			for c := range l.conns {
				return c.holed.Load()
			}
			return false
		})
		lift(t, l, "a")
		gone(t, c)
		if u.heard(1) {
			t.Fatal("the upstream heard of it")
		}
	})
	t.Run("resets a connection after a number of bytes, and each new one too", func(t *testing.T) {
		t.Parallel()
		u, l := setup(t)
		old := dial(t, l)
		echo(t, old, "x")
		l.Apply("a", Condition{After: 4})
		for i, c := range []net.Conn{old, dial(t, l)} {
			if _, err := io.WriteString(c, "abcdefgh"); err != nil {
				t.Fatal(err)
			}
			gone(t, c)
			eventually(t, "four bytes arrive", func() bool { return u.heard(1 + 4*(i+1)) })
		}
		if u.heard(1 + 9) {
			t.Error("more arrived")
		}
		lift(t, l, "a")
		echo(t, dial(t, l), "whole again")
	})
	t.Run("resets who comes when nobody listens behind it, and hands on again when somebody does", func(t *testing.T) {
		t.Parallel()
		var at sync.Map
		at.Store("now", "127.0.0.1:1")
		l, err := Listen(t.Context(), "127.0.0.1:0", func() string { a, _ := at.Load("now"); return a.(string) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		if c, err := net.Dial("tcp", l.Address()); err == nil { // the reset may be as quick as the connection
			gone(t, c)
			_ = c.Close()
		} else if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
		at.Store("now", newUpstream(t).Addr().String())
		echo(t, dial(t, l), "here")
	})
	t.Run("ends with everything that is connected", func(t *testing.T) {
		t.Parallel()
		_, l := setup(t)
		c := dial(t, l)
		echo(t, c, "x")
		l.Close()
		gone(t, c)
		l.Apply("late", Condition{Cut: true})
		if err := l.Clear(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
