package ledger_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"bulkhead/libs/record"
	"bulkhead/services/ops/internal/fixture"
	"bulkhead/services/ops/internal/letters"
	"bulkhead/services/ops/internal/store"
)

// walked is one accepted record on a random walk.
type walked struct {
	key, run   string
	generation int
	state      record.State
	// at is where its state stands in the ledger: chunk, untaken, waiting, letter, ordered, failure (unresolved), resolution.
	at      string
	chunk   uuid.UUID
	row     int
	failure int64
	letter  uuid.UUID
}

// walk is a ledger that random moves are made in, with the record of what must be shown.
type walk struct {
	*bundle

	n       *int // of names, over all walks
	runs    []string
	records []*walked
	t       *testing.T
	rt      *rapid.T
}

func (w *walk) name(prefix string) string { *w.n++; return fmt.Sprint(prefix, *w.n) }

// where are the records at a place of the ledger.
func (w *walk) where(at string) []*walked {
	var out []*walked
	for _, r := range w.records {
		if r.at == at {
			out = append(out, r)
		}
	}
	return out
}

// seal puts new records into a chunk.
func (w *walk) seal(kind, run string, n int) {
	var keys []string
	for range n {
		keys = append(keys, w.name("k"))
	}
	seal := w.Chunk
	if kind == "reread" {
		seal = w.Reread
	}
	chunk := seal(w.name("chunk"), run, keys...)
	for i, key := range keys {
		w.records = append(w.records, &walked{key: key, run: run, state: record.StateInFlight, at: "chunk", chunk: chunk, row: i})
	}
}

// reconcile gives every record of a chunk one of the ends that Salesforce's files can tell.
func (w *walk) reconcile(chunk uuid.UUID, ends []int) {
	var (
		states   string
		transfer fixture.Transfers
		run      string
		failures []func()
	)
	i := 0
	for _, r := range w.where("chunk") {
		if r.chunk != chunk {
			continue
		}
		run = r.run
		f := fixture.Failure{Key: r.key, Run: r.run, Row: r.row, Generation: r.generation, Class: "data", Code: "X", Text: "x"}
		at := ""
		switch ends[i%len(ends)] {
		case 0:
			states, r.state = states+"l", record.StateLanded
			transfer.Landed++
		case 1:
			states, r.state = states+"s", record.StateSuperseded
			transfer.Superseded++
		case 2:
			states, r.state, at = states+"f", record.StateDead, "letter"
			transfer.Dead++
			f.Disposition, r.letter = "dead", fixture.LetterID(r.key, r.generation)
		case 3:
			states, r.state, at = states+"f", record.StateRetrying, "untaken"
			transfer.Retrying++
			f.Disposition, f.Class = "retry", "transient"
		case 4:
			states, r.state, at = states+"f", record.StateWaitingForParent, "untaken"
			transfer.WaitingForParent++
			f.Disposition, f.Class = "retry", "reference"
		case 5:
			states, r.state, at = states+"m", record.StateUnresolved, "failure"
			transfer.Unresolved++
			f.Disposition, f.Class = "unresolved", "unresolved"
			r.letter = fixture.UnresolvedID(r.key, r.generation, chunk)
		}
		r.at = at
		if f.Disposition != "" {
			failures = append(failures, func() { r.failure = w.Fail(chunk, f) })
		}
		i++
	}
	w.Outcome(chunk, run, states, transfer)
	for _, fail := range failures {
		fail()
	}
}

// take lets all untaken records of a chunk wait, or die.
func (w *walk) take(chunk uuid.UUID, dies bool) {
	for _, r := range w.where("untaken") {
		if r.chunk != chunk {
			continue
		}
		class := "transient"
		if r.state == record.StateWaitingForParent {
			class = "reference"
		}
		if dies {
			w.Exhaust(chunk, r.failure, r.key, r.run, r.generation)
			r.state, r.at, r.letter = record.StateDead, "letter", fixture.LetterID(r.key, r.generation)
			continue
		}
		w.Wait(chunk, r.failure, r.key, r.run, class, r.generation)
		r.at = "waiting"
	}
}

func (w *walk) order(r *walked, kind string) {
	w.sweepLetters(w.t)
	_, err := w.letters.Order(w.t.Context(), letters.Order{Kind: kind, IDs: []string{r.letter.String()}, Key: w.name("order"), By: "kim", Reason: "walk"})
	if err != nil {
		w.t.Fatal(err)
	}
}

// moves are what can happen to a record, by the place where it stands.
func (w *walk) move(r *walked, choice int, ends []int) {
	switch r.at {
	case "chunk":
		w.reconcile(r.chunk, ends)
	case "untaken":
		w.take(r.chunk, choice%3 == 0)
	case "waiting":
		r.chunk, r.row, r.state, r.at = w.Resend(w.name("resend"), r.run, r.generation, r.key), 0, record.StateInFlight, "chunk"
		w.Exec(`UPDATE retrier.chunks SET lane = $2 WHERE chunk = $1`, r.chunk, *w.n) // one resend of a lane is on its way at a time
	case "letter":
		w.person(r, choice)
	case "ordered":
		switch choice % 3 {
		case 0: // the retrier sends it as it was
			w.TakenByRetrier(r.letter)
			if r.failure == 0 { // refused before Salesforce: there is no row to send
				w.Exec(`DELETE FROM retrier.letters_taken WHERE letter_id = $1`, r.letter)
				return
			}
			r.generation++
			w.WaitAgain(r.chunk, r.failure, r.key, r.run, "", r.generation)
			r.at = "waiting"
		case 1: // the extractor maps it again
			w.Exec(`INSERT INTO extractor.letters_taken (letter_id) VALUES ($1)`, r.letter)
			r.generation++
			r.chunk, r.row, r.state, r.at = w.Replay(w.name("replay"), r.run, r.generation, r.key), 0, record.StateInFlight, "chunk"
		case 2: // ... and refuses it again
			w.Exec(`INSERT INTO extractor.letters_taken (letter_id) VALUES ($1)`, r.letter)
			r.generation++
			w.Refuse(r.key, r.run, "NOT_JSON", r.generation)
			r.state, r.at, r.letter, r.failure = record.StateDead, "letter", fixture.LetterID(r.key, r.generation), 0
		}
	case "failure":
		w.decide(r, choice)
	case "resolution":
		w.ResolutionTaken(r.failure)
		w.WaitAgain(r.chunk, r.failure, r.key, r.run, "transient", r.generation)
		r.at = "waiting"
	case "discarded": // upstream publishes it again
		again := &walked{key: r.key, run: r.run, generation: r.generation + 1, state: record.StateInFlight, at: "chunk"}
		if choice%2 == 0 {
			again.chunk = w.Reload(w.name("reload"), r.run, again.generation, r.key)
		} else {
			again.letter, again.state, again.at = w.RefuseAnew(r.key, r.run, "NOT_JSON", again.generation), record.StateDead, "letter"
		}
		r.at = ""
		w.records = append(w.records, again)
	}
}

// person orders something of a dead record, or its letter only becomes known.
func (w *walk) person(r *walked, choice int) {
	switch choice % 3 {
	case 0:
		w.sweepLetters(w.t)
	case 1:
		w.order(r, store.ActionReplay)
		r.state, r.at = record.StateRetrying, "ordered"
	case 2:
		w.order(r, store.ActionDiscard)
		r.state, r.at = record.StateDiscarded, "discarded"
	}
}

// decide says what became of an unresolved record. Until the reconciler has the decision it counts as unresolved.
func (w *walk) decide(r *walked, choice int) {
	w.sweepLetters(w.t)
	said, state := "landed", letters.StateLanded
	if choice%2 == 0 {
		said, state = "not_landed", letters.StateReplaying
	}
	w.Exec(`INSERT INTO ops.decisions (letter_id, action_id, decision, sf_id, reason, by) VALUES ($1, $2, $3, '', 'seen', 'kim')`, r.letter, fixture.ID(w.name("action")), said)
	w.Exec(`UPDATE ops.letters SET state = $2 WHERE letter_id = $1 AND class = 'unresolved'`, r.letter, state)
	w.check("decided and not carried out")
	w.Resolve(r.failure, said, "003xx00000000ZZZZZ")
	if said == "landed" {
		r.state, r.at = record.StateLanded, ""
		return
	}
	r.state, r.at = record.StateRetrying, "resolution"
}

// check compares the balance of each run with what the walk knows.
func (w *walk) check(after string) {
	w.t.Helper()
	for _, run := range w.runs {
		var want record.Balance
		for _, r := range w.records {
			if r.run != run {
				continue
			}
			want.Accepted++
			switch r.state {
			case record.StateInFlight:
				want.InFlight++
			case record.StateRetrying:
				want.Retrying++
			case record.StateWaitingForParent:
				want.WaitingForParent++
			case record.StateUnresolved:
				want.Unresolved++
			case record.StateLanded:
				want.Landed++
			case record.StateDead:
				want.Dead++
			case record.StateSuperseded:
				want.Superseded++
			case record.StateDiscarded:
				want.Discarded++
			case record.StateRolledBack:
			}
		}
		got, err := w.reader.Totals(w.t.Context(), "contacts", run)
		if err != nil {
			w.t.Fatal(err)
		}
		if got["contacts"].Balance != want {
			w.rt.Fatalf("after %s: balance of run %s is %+v, want %+v", after, run, got["contacts"].Balance, want)
		}
	}
}

func TestBalanceOnRandomWalks(t *testing.T) {
	b := setup(t)
	n := 0
	t.Run("the terms of a run are what its records are, after every legal move of one", rapid.MakeCheck(func(rt *rapid.T) {
		w := &walk{bundle: b, n: &n, t: t, rt: rt}
		w.runs = []string{w.name("run"), w.name("run")}
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			run := rapid.SampledFrom(w.runs).Draw(rt, "run")
			choice := rapid.IntRange(0, 11).Draw(rt, "choice")
			ends := rapid.SliceOfN(rapid.IntRange(0, 5), 3, 3).Draw(rt, "ends")
			movable := slices.DeleteFunc(slices.Clone(w.records), func(r *walked) bool { return r.at == "" })
			kind := "move"
			if len(movable) == 0 || choice < 3 {
				kind = rapid.SampledFrom([]string{"fresh", "reread", "refuse", "overtaken", "close"}).Draw(rt, "kind")
			}
			switch kind {
			case "fresh", "reread":
				w.seal(kind, run, rapid.IntRange(1, 3).Draw(rt, "records"))
			case "refuse":
				r := &walked{key: w.name("k"), run: run, state: record.StateDead, at: "letter"}
				w.Refuse(r.key, run, "NOT_JSON", 0)
				r.letter = fixture.LetterID(r.key, 0)
				w.records = append(w.records, r)
			case "overtaken":
				r := &walked{key: w.name("k"), run: run, state: record.StateSuperseded}
				w.Overtaken(r.key, run, "other")
				w.records = append(w.records, r)
			case "close":
				if _, err := w.letters.CloseKnown(t.Context()); err != nil {
					t.Fatal(err)
				}
			case "move":
				r := rapid.SampledFrom(movable).Draw(rt, "record")
				kind = r.at
				w.move(r, choice, ends)
			}
			w.check(kind)
		}
	}))
	t.Run("all walks together add up", func(t *testing.T) {
		all, err := b.reader.Totals(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if got := all["contacts"]; !got.AddsUp() || got.Accepted == 0 {
			t.Errorf("%+v", got.Balance)
		}
	})
}
