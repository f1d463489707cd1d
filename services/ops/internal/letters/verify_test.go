package letters_test

import (
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/letters"
)

func TestVerify(t *testing.T) {
	since := func(t *testing.T, b *bundle) time.Time {
		t.Helper()
		at, err := bus.LettersSince(t.Context(), b.conn)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	verify := func(t *testing.T, x *letters.Index, want int) {
		t.Helper()
		if n, err := x.Verify(t.Context()); err != nil || n != want {
			t.Errorf("looked for %d messages, want %d: %v", n, want, err)
		}
	}
	noted := func(t *testing.T) (*bundle, uint64) {
		t.Helper()
		b := setup(t).withBroker()
		b.Refuse("a", "", "X", 0)
		b.Refuse("b", "", "X", 0)
		first := b.publish("a", 0)
		b.publish("b", 0)
		b.read(b.index("reader"))
		return b, first
	}
	t.Run("asks for nothing where every open letter has its message, and does not look twice", func(t *testing.T) {
		b, _ := noted(t)
		before := since(t, b)
		x := b.index("one")
		verify(t, x, 2)
		verify(t, x, 0)
		if after := since(t, b); !after.Equal(before) {
			t.Errorf("letters are asked for since %v, before since %v", after, before)
		}
		b.publish("b", 0)
		verify(t, x, 0)
	})
	t.Run("has letters published again of which one is open and has no message any more", func(t *testing.T) {
		b, first := noted(t)
		before := since(t, b)
		if err := bus.DeleteLetter(t.Context(), b.conn, first); err != nil {
			t.Fatal(err)
		}
		x := b.index("one")
		verify(t, x, 2)
		asked := since(t, b)
		if !asked.After(before) {
			t.Error("nobody is asked for letters")
		}
		if n := b.Count(`SELECT count(*) FROM ops.letter_messages WHERE letter_id = $1`, fixture.LetterID("a", 0)); n != 0 {
			t.Errorf("%d places of the letter are noted", n)
		}
		if n := b.Count(`SELECT count(*) FROM ops.letter_messages WHERE letter_id = $1`, fixture.LetterID("b", 0)); n != 1 {
			t.Errorf("%d places of the other letter are noted", n)
		}
		again := b.index("another process")
		verify(t, x, 0)
		verify(t, again, 1)
		if !since(t, b).Equal(asked) {
			t.Error("letters are asked for once more")
		}
	})
	t.Run("decides nothing by a stream that was made again and is not read yet", func(t *testing.T) {
		b, _ := noted(t)
		if err := b.conn.JS.DeleteStream(t.Context(), bus.StreamDLQ); err != nil {
			t.Fatal(err)
		}
		b.makeDLQ()
		before := since(t, b)
		x := b.index("one")
		verify(t, x, 0)
		if !since(t, b).Equal(before) || b.Count(`SELECT count(*) FROM ops.letter_messages`) != 2 {
			t.Error("it took the stream for the one that was read")
		}
	})
}
