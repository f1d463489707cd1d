package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/ledger"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"
)

type fakeBroker struct {
	unread ledger.Unread
	err    error
}

func (f *fakeBroker) Unread(context.Context, string, []ledger.Mark) (ledger.Unread, error) {
	return f.unread, f.err
}

type bundle struct {
	*fixture.Ledger

	reader  *ledger.Reader
	letters *letters.Index
	broker  *fakeBroker
	orgs    *fakeOrgs
}

func setup(t *testing.T) *bundle {
	t.Helper()
	db := testkit.NewLedger(t)
	st := store.New(db.Pool(t, "ops"))
	b := &bundle{Ledger: fixture.New(t, db.AdminPool(t)), broker: &fakeBroker{}, orgs: &fakeOrgs{}}
	b.Define()
	b.letters = letters.New(letters.Config{Store: st, Owner: "test", Lease: time.Minute, Logger: testkit.Logger(t)})
	b.reader = ledger.New(ledger.Config{Store: st, Broker: b.broker, Orgs: b.orgs, Logger: testkit.Logger(t), Now: func() time.Time { return fixture.Noon.Add(time.Hour) }})
	return b
}

func (b *bundle) sweepLetters(t *testing.T) {
	t.Helper()
	if _, err := b.letters.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) expect(t *testing.T, situation, run string, want record.Balance) {
	t.Helper()
	got, err := b.reader.Totals(t.Context(), "contacts", run)
	if err != nil {
		t.Fatal(err)
	}
	if got["contacts"].Balance != want {
		t.Errorf("%s: balance %+v, want %+v", situation, got["contacts"].Balance, want)
	}
	if !got["contacts"].AddsUp() {
		t.Errorf("%s: %+v does not add up", situation, got["contacts"].Balance)
	}
}

func TestBalance(t *testing.T) {
	t.Run("adds up in each situation of a record, from the seal to a replay that landed", func(t *testing.T) {
		b := setup(t)
		b.expect(t, "nothing", "", record.Balance{})

		first := b.Chunk("c1", "r1", "a", "b", "c", "d", "e")
		b.expect(t, "sealed", "", record.Balance{Accepted: 5, InFlight: 5})

		b.Refuse("x", "r1", "NOT_JSON", 0)
		b.expect(t, "refused, its letter not arrived", "", record.Balance{Accepted: 6, InFlight: 5, Dead: 1})

		b.Outcome(first, "r1", "lffff", fixture.Transfers{Landed: 1, Dead: 1, Retrying: 1, WaitingForParent: 1, Superseded: 1})
		fb := b.Fail(first, fixture.Failure{Key: "b", Run: "r1", Row: 1, Class: "data", Code: "INVALID_EMAIL_ADDRESS", Text: "bad", Disposition: "dead"})
		fc := b.Fail(first, fixture.Failure{Key: "c", Run: "r1", Row: 2, Class: "contention", Code: "UNABLE_TO_LOCK_ROW", Text: "locked", Disposition: "retry"})
		fd := b.Fail(first, fixture.Failure{Key: "d", Run: "r1", Row: 3, Class: "reference", Code: "INVALID_CROSS_REFERENCE_KEY", Text: "no parent", Disposition: "retry"})
		want := record.Balance{Accepted: 6, Landed: 1, Dead: 2, Retrying: 1, WaitingForParent: 1, Superseded: 1}
		b.expect(t, "reconciled, not taken", "", want)

		b.Wait(first, fc, "c", "r1", "contention", 0)
		b.Wait(first, fd, "d", "r1", "reference", 0)
		b.expect(t, "taken by the retrier", "", want)

		second := b.Resend("c2", "r1", 0, "c", "d")
		b.expect(t, "sent again", "", record.Balance{Accepted: 6, Landed: 1, Dead: 2, InFlight: 2, Superseded: 1})

		b.Outcome(second, "r1", "fl", fixture.Transfers{Landed: 1, Retrying: 1})
		fc2 := b.Fail(second, fixture.Failure{Key: "c", Run: "r1", Row: 0, Class: "contention", Code: "UNABLE_TO_LOCK_ROW", Text: "locked", Disposition: "retry", Attempt: 8})
		b.expect(t, "one landed, one failed for the last time", "", record.Balance{Accepted: 6, Landed: 2, Dead: 2, Retrying: 1, Superseded: 1})

		b.Exhaust(second, fc2, "c", "r1", 0)
		b.expect(t, "exhausted", "", record.Balance{Accepted: 6, Landed: 2, Dead: 3, Superseded: 1})

		b.sweepLetters(t)
		b.expect(t, "letters known", "", record.Balance{Accepted: 6, Landed: 2, Dead: 3, Superseded: 1})

		order := letters.Order{Kind: store.ActionReplay, IDs: []string{fixture.LetterID("b", 0).String(), fixture.LetterID("x", 0).String()}, Key: "k1", By: "someone"}
		if _, err := b.letters.Order(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		b.expect(t, "ordered", "", record.Balance{Accepted: 6, Landed: 2, Dead: 1, Retrying: 2, Superseded: 1})

		b.TakenByRetrier(fixture.LetterID("b", 0))
		b.Wait(first, fb, "b", "r1", "", 1)
		b.expect(t, "one taken by the retrier", "", record.Balance{Accepted: 6, Landed: 2, Dead: 1, Retrying: 2, Superseded: 1})

		third := b.Resend("c3", "r1", 1, "b")
		b.expect(t, "one in flight again", "", record.Balance{Accepted: 6, Landed: 2, Dead: 1, Retrying: 1, InFlight: 1, Superseded: 1})

		b.Outcome(third, "r1", "l", fixture.Transfers{Landed: 1})
		b.expect(t, "landed, its letter not closed", "", record.Balance{Accepted: 6, Landed: 3, Dead: 1, Retrying: 1, Superseded: 1})
		if n, err := b.letters.CloseKnown(t.Context()); n != 1 || err != nil {
			t.Fatalf("closed %d: %v", n, err)
		}
		b.expect(t, "closed", "", record.Balance{Accepted: 6, Landed: 3, Dead: 1, Retrying: 1, Superseded: 1})

		b.Exec(`INSERT INTO extractor.letters_taken (letter_id) VALUES ($1)`, fixture.LetterID("x", 0))
		b.Refuse("x", "r1", "NOT_JSON", 1)
		b.expect(t, "mapped again and refused again", "", record.Balance{Accepted: 6, Landed: 3, Dead: 2, Superseded: 1})
		if n, err := b.letters.CloseKnown(t.Context()); n != 1 || err != nil {
			t.Fatalf("closed %d: %v", n, err)
		}
		b.sweepLetters(t)
		b.expect(t, "died again, closed", "", record.Balance{Accepted: 6, Landed: 3, Dead: 2, Superseded: 1})

		discard := letters.Order{Kind: store.ActionDiscard, IDs: []string{fixture.LetterID("x", 1).String()}, Key: "k2", By: "someone", Reason: "test data"}
		if _, err := b.letters.Order(t.Context(), discard); err != nil {
			t.Fatal(err)
		}
		b.expect(t, "discarded", "", record.Balance{Accepted: 6, Landed: 3, Dead: 1, Superseded: 1, Discarded: 1})
	})
	t.Run("replays by the extractor count as in flight and are not accepted twice", func(t *testing.T) {
		b := setup(t)
		b.Refuse("x", "", "WRONG_TYPE", 0)
		b.sweepLetters(t)
		if _, err := b.letters.Order(t.Context(), letters.Order{Kind: store.ActionReplay, IDs: []string{fixture.LetterID("x", 0).String()}, Key: "k", By: "someone"}); err != nil {
			t.Fatal(err)
		}
		b.Exec(`INSERT INTO extractor.letters_taken (letter_id) VALUES ($1)`, fixture.LetterID("x", 0))
		chunk := b.Replay("r", "", 1, "x")
		b.expect(t, "mapped again", "", record.Balance{Accepted: 1, InFlight: 1})
		b.Outcome(chunk, "", "l", fixture.Transfers{Landed: 1})
		b.expect(t, "landed", "", record.Balance{Accepted: 1, Landed: 1})
		if n, err := b.letters.CloseKnown(t.Context()); n != 1 || err != nil {
			t.Fatalf("closed %d: %v", n, err)
		}
		b.expect(t, "closed", "", record.Balance{Accepted: 1, Landed: 1})
	})
	t.Run("runs are told apart and add up to the whole", func(t *testing.T) {
		b := setup(t)
		b.Chunk("c1", "r1", "a", "b")
		chunk := b.Chunk("c2", "r2", "c")
		b.Outcome(chunk, "r2", "l", fixture.Transfers{Landed: 1})
		b.Exec(`INSERT INTO extractor.repeats (pipeline, run, n) VALUES ('contacts', 'r1', 3), ('contacts', 'r2', 4)`)
		b.expect(t, "run r1", "r1", record.Balance{Accepted: 2, InFlight: 2})
		b.expect(t, "run r2", "r2", record.Balance{Accepted: 1, Landed: 1})
		b.expect(t, "all", "", record.Balance{Accepted: 3, InFlight: 2, Landed: 1})
		all, err := b.reader.Balance(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if all.GetRepeats() != 7 || !all.GetAddsUp() || all.GetPipelines()["contacts"].GetBalance().GetAccepted() != 3 {
			t.Errorf("%v", all)
		}
	})
	t.Run("a difference is shown, not hidden", func(t *testing.T) {
		b := setup(t)
		chunk := b.Chunk("c1", "", "a", "b")
		b.Outcome(chunk, "", "lf", fixture.Transfers{Landed: 1}) // a transfer is missing
		got, err := b.reader.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.GetAddsUp() || got.GetOpenItems()[0].GetKind() != "balance" {
			t.Errorf("%v", got)
		}
	})
	t.Run("a broker that does not answer makes unread unknown, never zero", func(t *testing.T) {
		b := setup(t)
		b.broker.err = errors.New("gone")
		got, err := b.reader.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.GetUnread().GetMessages() != -1 || got.GetPipelines()[0].GetUnread().GetMessages() != -1 {
			t.Errorf("unread %v", got.GetUnread())
		}
	})
}
