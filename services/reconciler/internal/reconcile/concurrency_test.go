package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"bulkhead/libs/bus"
	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
	"bulkhead/services/orgsim/simtest"
	"bulkhead/services/reconciler/internal/reconcile"
	"bulkhead/services/reconciler/internal/store"
	"bulkhead/services/reconciler/internal/store/db"
)

func TestPauses(t *testing.T) {
	t.Parallel()
	const denied = "INSUFFICIENT_ACCESS_OR_READONLY:insufficient access rights on object id:--"
	// chunks sends n chunks of one row each and reconciles them one after the other.
	chunks := func(b *bundle, r *reconcile.Reconciler, n int, id string) {
		for range n {
			b.seal(record.ChunkFresh, []row{{cells: []string{id, "x", "", ""}, records: []rec{{key: uuid.NewString()}}}}).send()
			b.run(r, 0)
		}
	}
	t.Run("five submissions in a row that the org refuses alike pause the pipeline, once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.rowFault(denied, "denied")
		r := b.reconciler()
		chunks(b, r, 4, "denied")
		if p := b.pauses(); len(p) != 0 {
			t.Fatalf("%v after four", p)
		}
		chunks(b, r, 1, "denied")
		if p := b.pauses(); fmt.Sprint(p) != "[permission INSUFFICIENT_ACCESS_OR_READONLY]" {
			t.Fatalf("%v after five", p)
		}
		chunks(b, r, 3, "denied") // were under way
		if p := b.pauses(); len(p) != 1 {
			t.Fatalf("%v while it holds", p)
		}
		b.lift()
		chunks(b, r, 4, "denied")
		if p := b.pauses(); len(p) != 1 {
			t.Fatalf("%v four after the lift", p)
		}
		chunks(b, r, 1, "denied")
		if p := b.pauses(); len(p) != 2 {
			t.Fatalf("%v five after the lift", p)
		}
	})
	t.Run("a row that landed begins the count anew", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.rowFault(denied, "denied")
		r := b.reconciler()
		chunks(b, r, 4, "denied")
		chunks(b, r, 1, "good")
		chunks(b, r, 4, "denied")
		if p := b.pauses(); len(p) != 0 {
			t.Fatalf("%v", p)
		}
	})
	t.Run("data, duplicates and references never pause, however many", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.rowFault("INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--", "orphan")
		b.rowFault("DUPLICATE_VALUE:duplicate value found: X duplicates value on record with id: 001:--", "double")
		b.rowFault("FIELD_CUSTOM_VALIDATION_EXCEPTION:no:--", "invalid")
		b.rowFault(denied, "denied")
		r := b.reconciler()
		for range 3 {
			for _, id := range []string{"orphan", "double", "invalid"} {
				b.seal(record.ChunkFresh, []row{
					{cells: []string{id, "x", "", ""}, records: []rec{{key: uuid.NewString()}}}, {cells: []string{"denied", "x", "", ""}, records: []rec{{key: uuid.NewString()}}},
				}).send()
				b.run(r, 0)
			}
		}
		if p := b.pauses(); len(p) != 0 {
			t.Fatalf("%v", p)
		}
	})
	t.Run("a row refused for quota pauses at once, counts no try and waits to be sent again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.rowFault("STORAGE_LIMIT_EXCEEDED:storage limit exceeded:--", "full")
		rows := accountRows("a", 3)
		rows[1].cells[0] = "full"
		c := b.seal(record.ChunkFresh, rows).send()
		r := b.reconciler()
		b.run(r, 0)
		if p := b.pauses(); fmt.Sprint(p) != "[quota STORAGE_LIMIT_EXCEEDED]" {
			t.Fatalf("%v", p)
		}
		if f := c.failures()[0]; f.Attempt != 0 || len(f.Attempts) != 1 || f.Disposition != "retry" || len(b.letters()) != 0 {
			t.Fatalf("%+v", f)
		}
		chunks(b, r, 2, "full")
		if p := b.pauses(); len(p) != 1 {
			t.Fatalf("%v while it holds", p)
		}
	})
	t.Run("chunks that end at the same time make one pause, not none and not two", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.rowFault(denied, "denied")
		for range 8 {
			b.seal(record.ChunkFresh, []row{{cells: []string{"denied", "x", "", ""}, records: []rec{{key: uuid.NewString()}}}}).send()
		}
		r := b.reconciler(func(c *reconcile.Config) { c.Batch = 8 })
		b.run(r, 0)
		if p := b.pauses(); len(p) != 1 {
			t.Fatalf("%v", p)
		}
	})
}

func TestTogether(t *testing.T) {
	t.Parallel()
	t.Run("two reconcilers at once account for every chunk once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var all []*sealed
		for i := range 6 {
			rows := accountRows(fmt.Sprintf("c%d", i), 40)
			rows[7].cells[1] = ""
			all = append(all, b.seal(record.ChunkFresh, rows).send())
		}
		r1 := b.reconciler(func(c *reconcile.Config) { c.Batch = 1 })
		r2 := b.reconciler(func(c *reconcile.Config) { c.Owner, c.Batch = "two", 1 })
		b.note(r1)
		b.note(r2)
		done := make(chan error, 2)
		for _, r := range []*reconcile.Reconciler{r1, r2} {
			go func() {
				for {
					n, err := r.Pass(t.Context())
					if n == 0 || err != nil {
						done <- err
						return
					}
				}
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range all {
			if o := c.outcome(); o.Landed != 39 || o.Failed != 1 {
				t.Fatalf("%+v", o)
			}
		}
		if len(b.facts()) != 6 || len(b.letters()) != 6 || len(b.sim.Calls(0, simtest.Successful)) != 6 {
			t.Fatalf("%d facts, %d letters, %d downloads", len(b.facts()), len(b.letters()), len(b.sim.Calls(0, simtest.Successful)))
		}
	})
	t.Run("a reconciler whose claim was taken over writes nothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		c := b.scripted(2, "JobComplete", 2, 1)
		two := b.reconciler(func(c *reconcile.Config) { c.Owner = "two" })
		taken := false
		s.set(failedFile, text(refused("UNABLE_TO_LOCK_ROW:x:--", "a-1")))
		s.set(success, func(w http.ResponseWriter, r *http.Request) {
			if !taken {
				// While the download lasts the lease runs out and somebody else settles the chunk.
				taken = true
				b.exec(`UPDATE reconciler.work SET lease_until = '-infinity'`)
				s.mu.Unlock()
				b.pass(two)
				s.mu.Lock()
			}
			text(landed("a-0"))(w, r)
		})
		r := b.reconciler()
		b.note(r)
		b.pass(r)
		if o := c.outcome(); o.Landed != 1 || len(c.failures()) != 1 || len(b.facts()) != 1 {
			t.Fatalf("%+v", o)
		}
		if w := c.work(); w["owner"] != "two" || w["state"] != "reconciled" || w["errors"] != 0.0 {
			t.Fatalf("%v", w)
		}
	})
	t.Run("an outcome that takes longer to store than the lease lasts is stored, and nobody else takes the chunk meanwhile", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		rows := accountRows("refused", 1100) // more than one batch
		for i := range rows {
			rows[i].cells[1] = ""
		}
		c := b.seal(record.ChunkFresh, rows).send()
		const lease = 500 * time.Millisecond
		slow := &slowStreams{streams: streams{b.conn}, wait: 3 * lease}
		two := b.reconciler(func(c *reconcile.Config) { c.Owner, c.Lease = "two", lease })
		slow.during = func() {
			if n, err := two.Pass(t.Context()); n != 0 || err != nil {
				t.Errorf("the other one took %d: %v", n, err)
			}
		}
		r := b.reconciler(func(c *reconcile.Config) { c.Lease, c.Streams = lease, slow })
		b.note(r)
		b.pass(r)
		if o := c.outcome(); o.Failed != len(rows) || len(c.failures()) != len(rows) || len(b.facts()) != 1 {
			t.Fatalf("%d failed, %d facts", o.Failed, len(b.facts()))
		}
	})
	t.Run("a reconciler that is stopped in the middle of a download hands the chunk back at once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		ctx, stop := context.WithCancel(t.Context())
		c := b.scripted(1, "JobComplete", 1, 0)
		s.set(success, func(_ http.ResponseWriter, r *http.Request) { stop(); <-r.Context().Done() })
		r := b.reconciler()
		b.note(r)
		if _, err := r.Pass(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if w := c.work(); w["state"] != "reading" || w["errors"] != 0.0 {
			t.Fatalf("%v", w)
		}
		s.set(success, text(landed("a-0")))
		if n := b.pass(b.reconciler(func(c *reconcile.Config) { c.Owner = "two" })); n != 1 || !c.hasOutcome() {
			t.Fatal("the chunk was not handed back")
		}
	})
	t.Run("a chunk of a reconciler that died is taken up when its lease has run out, not before", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.script().set(success, text(landed("a-0")))
		c := b.scripted(1, "JobComplete", 1, 0)
		r := b.reconciler()
		b.note(r)
		if _, err := b.store.ClaimDue(t.Context(), "dead", b.now, time.Hour, 10); err != nil {
			t.Fatal(err)
		}
		if b.pass(r) != 0 {
			t.Fatal("a held chunk was taken")
		}
		if wait, something, err := r.NextDue(t.Context()); err != nil || !something || wait < 59*time.Minute {
			t.Fatalf("%v %v %v", wait, something, err)
		}
		b.exec(`UPDATE reconciler.work SET lease_until = now() - interval '1 s'`)
		if b.pass(r) != 1 || !c.hasOutcome() {
			t.Fatalf("%v", c.work())
		}
	})
	t.Run("a claim is renewed while a slow download lasts", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		s := b.script()
		c := b.scripted(1, "JobComplete", 1, 0)
		s.set(success, func(w http.ResponseWriter, r *http.Request) {
			leases := map[time.Time]bool{}
			for len(leases) < 3 && r.Context().Err() == nil {
				leases[one[time.Time](b, `SELECT lease_until FROM reconciler.work`)] = true
				<-time.After(10 * time.Millisecond)
			}
			text(landed("a-0"))(w, r)
		})
		r := b.reconciler(func(c *reconcile.Config) { c.Lease = 3 * time.Second })
		b.note(r)
		b.pass(r)
		if !c.hasOutcome() {
			t.Fatalf("%v", c.work())
		}
	})
	t.Run("facts note chunks, and a fact that names none is dropped", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.script()
		c := b.scripted(1, "JobComplete", 1, 0)
		woken := 0
		handle := b.reconciler().Handler(func() { woken++ }, func() {})
		for _, fact := range []bus.Fact{
			&flowv1.JobFinished{Chunk: "no uuid"}, &flowv1.JobFinished{Chunk: uuid.NewString()}, &flowv1.ChunkAnswered{Chunk: "\x00"},
			&flowv1.JobFinished{Chunk: c.id.String()}, &flowv1.JobFinished{Chunk: c.id.String()}, &flowv1.ChunkAnswered{Chunk: c.id.String()},
		} {
			if err := handle(t.Context(), bus.NewEnvelope("accounts", 1, fact)); err != nil {
				t.Fatal(err)
			}
		}
		if woken != 1 || c.work()["state"] != "reading" {
			t.Fatalf("woken %d times, %v", woken, c.work())
		}
	})
	t.Run("a renewal that comes after a work was given back does not take it again", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.script()
		c := b.scripted(1, "JobComplete", 1, 0)
		b.note(b.reconciler())
		for name, give := range map[string]func(store.Claim) error{
			"released":   func(c store.Claim) error { return b.store.Release(t.Context(), c) },
			"read":       func(c store.Claim) error { return b.store.ReadAgain(t.Context(), c, store.Again{NextReadAt: b.now}) },
			"broken off": func(c store.Claim) error { return b.store.BrokeOff(t.Context(), c, store.Broken{NextReadAt: b.now}) },
			"looked up":  func(c store.Claim) error { return b.store.LookedUp(t.Context(), c, store.Look{NextReadAt: b.now}) },
			"gone":       func(c store.Claim) error { return b.store.Gone(t.Context(), c, b.now, "") },
		} {
			held, err := b.store.ClaimDue(t.Context(), "one", b.now, time.Minute, 1)
			if err != nil || len(held) != 1 {
				t.Fatalf("%s: %v %v", name, held, err)
			}
			claim := store.Claim{Chunk: c.id, Epoch: held[0].Epoch, Owner: "one"}
			if err := give(claim); err != nil {
				t.Fatal(err)
			}
			if err := b.store.Renew(t.Context(), claim, time.Hour); !errors.Is(err, pg.ErrLost) {
				t.Errorf("renewing what was %s: %v, want %v", name, err, pg.ErrLost)
			}
			if again, err := b.store.ClaimDue(t.Context(), "two", b.now, 0, 1); err != nil || len(again) != 1 {
				t.Errorf("what was %s is claimed as %v, %v; want it at once", name, again, err)
			}
		}
	})
	t.Run("every move is refused to a claim that is not the present one, and to a work that has ended", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.script()
		c := b.scripted(1, "JobComplete", 1, 0)
		b.note(b.reconciler())
		held, err := b.store.ClaimDue(t.Context(), "one", b.now, time.Minute, 1)
		if err != nil || len(held) != 1 {
			t.Fatalf("%v %v", held, err)
		}
		good := store.Claim{Chunk: c.id, Epoch: held[0].Epoch, Owner: "one"}
		settle := func(claim store.Claim) error {
			_, err := b.store.Reconcile(t.Context(), store.Settlement{
				Claim: claim, Failures: func(func(store.Batch) error) error { return nil },
				Outcome: db.InsertOutcomeParams{
					Chunk: c.id, Pipeline: "accounts", Rows: 1, Landed: 1, RowStates: []byte("l"), RowIds: make([]byte, 18), Standing: "works",
				},
			})
			return err
		}
		moves := map[string]func(store.Claim) error{
			"renew":      func(c store.Claim) error { return b.store.Renew(t.Context(), c, time.Minute) },
			"release":    func(c store.Claim) error { return b.store.Release(t.Context(), c) },
			"read again": func(c store.Claim) error { return b.store.ReadAgain(t.Context(), c, store.Again{NextReadAt: b.now}) },
			"broke off":  func(c store.Claim) error { return b.store.BrokeOff(t.Context(), c, store.Broken{NextReadAt: b.now}) },
			"gone":       func(c store.Claim) error { return b.store.Gone(t.Context(), c, b.now, "") },
			"quarantine": func(c store.Claim) error {
				return b.store.Quarantine(t.Context(), c, "", store.Pause{ID: uuid.New(), Pipeline: "accounts"})
			},
			"reconcile": settle,
		}
		for name, move := range moves {
			for what, claim := range map[string]store.Claim{
				"older epoch": {Chunk: c.id, Epoch: good.Epoch - 1, Owner: "one"},
				"other owner": {Chunk: c.id, Epoch: good.Epoch, Owner: "two"},
				"other chunk": {Chunk: uuid.New(), Epoch: good.Epoch, Owner: "one"},
			} {
				if err := move(claim); !errors.Is(err, pg.ErrLost) {
					t.Errorf("%s with %s: %v", name, what, err)
				}
			}
		}
		if err := settle(good); err != nil {
			t.Fatal(err)
		}
		for name, move := range moves {
			if err := move(good); !errors.Is(err, pg.ErrLost) {
				t.Errorf("%s of a reconciled chunk: %v", name, err)
			}
		}
		if len(b.pauses()) != 0 {
			t.Errorf("a refused quarantine left %v", b.pauses())
		}
	})
}

func TestRepublish(t *testing.T) {
	t.Parallel()
	t.Run("a DLQ stream that was made again gets the letters that are still open, once", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ctx := t.Context()
		r := b.reconciler()
		all := func() (looked int) {
			for {
				n, err := r.Republish(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if looked += n; n == 0 {
					return looked
				}
			}
		}
		if n := all(); n != 0 {
			t.Fatalf("%d letters without a stream", n)
		}
		if err := bus.EnsureDLQ(ctx, b.conn, bus.Limits{}); err != nil {
			t.Fatal(err)
		}
		if n := all(); n != 0 {
			t.Fatalf("%d letters before there was one", n)
		}
		rows := accountRows("a", 450)
		for i := range rows {
			rows[i].cells[1] = ""
		}
		c := b.seal(record.ChunkFresh, rows).send()
		b.run(r, 0)
		first := b.letters()
		b.exec(`DELETE FROM reconciler.outbox`) // published
		if n := all(); n != 0 {
			t.Fatalf("%d letters again although the stream is the same", n)
		}
		for i, state := range []string{"landed", "discarded", "superseded", "died_again", "replaying", "open"} {
			f := c.failures()[i]
			b.exec(`INSERT INTO ops.letters (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, fingerprint, dead_at, state)
				VALUES ($1, 'accounts', 1, '', $2, $1, 0, '', 'data', '', '', '{}', 'reconcile', '', now(), $3)`, f.LetterID.UUID, f.Key, state)
		}
		if err := b.conn.JS.DeleteStream(ctx, bus.StreamDLQ); err != nil {
			t.Fatal(err)
		}
		if err := bus.EnsureDLQ(ctx, b.conn, bus.Limits{}); err != nil {
			t.Fatal(err)
		}
		if n := all(); n != 450 {
			t.Fatalf("looked at %d letters", n)
		}
		again := map[string]bool{}
		for _, l := range b.letters() {
			again[l.ID] = true
		}
		if len(b.letters()) != 446 || len(again) != 446 {
			t.Fatalf("%d letters, %d ids", len(b.letters()), len(again))
		}
		for i, l := range first {
			if again[l.ID] != (i >= 4) {
				t.Fatalf("letter %d is there: %v", i, again[l.ID])
			}
		}
		if l := b.letters()[10]; l.Stage != "reconcile" || !strings.Contains(string(l.Payload), l.Key) || len(l.Attempts) != 1 || len(l.Row) == 0 {
			t.Fatalf("%+v", l)
		}
		if n := all(); n != 0 {
			t.Fatalf("%d letters a second time", n)
		}
	})
}

// slowStreams takes its time for every payload but the first ones.
type slowStreams struct {
	streams
	wait   time.Duration
	during func()
	asked  int
}

func (s *slowStreams) GetMany(ctx context.Context, stream string, seqs []uint64) (map[uint64]bus.Msg, error) {
	if s.asked++; s.asked > 1 {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(s.wait):
		}
		s.during()
	}
	return s.streams.GetMany(ctx, stream, seqs)
}
