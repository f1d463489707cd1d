package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"bulkhead/libs/pg"
	"bulkhead/libs/record"
	"bulkhead/libs/testkit"
	"bulkhead/services/submitter/internal/store"

	"github.com/google/uuid"
)

var stages = []string{"claimed", "created", "bound", "sent", "submitted", "reconciled", "nothing_sent"}

// put makes a submission in a stage, with an epoch of 7 and a job.
func put(t *testing.T, admin pg.DB, stage string) store.Work {
	t.Helper()
	w := store.Work{Chunk: uuid.New(), Pipeline: "p", Kind: "resend", Org: "o", Space: "s", Lane: int(uuid.New().ID() >> 2), SealNo: 1, Epoch: 7, JobID: uuid.NewString()}
	ended := stage == "reconciled" || stage == "nothing_sent"
	for _, sql := range []string{
		`INSERT INTO submitter.lanes (space, lane) VALUES ($6, $7)`,
		`INSERT INTO submitter.submissions (chunk, pipeline, revision, kind, org, space, lane, seal_no, state, epoch, job_id, job_created_at, uploaded_at, lease_until, ended_at)
			VALUES ($1, $2, 1, $4, $5, $6, $7, 1, $3, 7, $8, now(), now(), now() + interval '1 hour', CASE WHEN $9 THEN now() END)`,
		`INSERT INTO submitter.jobs (job_id, chunk, org, epoch, state) VALUES ($8, $1, $5, 7, 'created')`,
	} {
		args := []any{w.Chunk, w.Pipeline, stage, w.Kind, w.Org, w.Space, w.Lane, w.JobID, ended}
		sql, args = renumber(sql, args)
		if _, err := admin.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// Every move from every stage, as its owner and as a stale one: what is not legal hits no row.
func TestEachMoveIsLegalFromItsStagesAndForItsOwnerOnly(t *testing.T) {
	database := testkit.NewLedger(t)
	admin, s := database.AdminPool(t), store.New(database.Pool(t, "submitter"))
	message := record.Message{Subject: "flow.p.x", Body: []byte{1}}
	moves := []struct {
		name string
		from []string
		do   func(context.Context, *store.Work) error
	}{
		{"take the lane", []string{"claimed"}, func(ctx context.Context, w *store.Work) error { _, err := s.TakeLane(ctx, w); return err }},
		{"save what was checked", []string{"claimed"}, func(ctx context.Context, w *store.Work) error {
			return s.SaveChecked(ctx, w, store.Checked{Upload: &store.Upload{Rows: 1, Bytes: 2, SHA256: []byte{3}}, Reduced: []store.Reduced{{Row: 0, Columns: record.Bitmap{1}}}})
		}},
		{"save that nothing is left", []string{"claimed"}, func(ctx context.Context, w *store.Work) error {
			return s.SaveChecked(ctx, w, store.Checked{Answered: message, Superseded: []store.Superseded{{Row: 0}}})
		}},
		{"save the job", []string{"claimed", "created"}, func(ctx context.Context, w *store.Work) error {
			return s.SaveCreated(ctx, w, uuid.NewString(), time.Second)
		}},
		{"save the upload", []string{"created"}, func(ctx context.Context, w *store.Work) error {
			return s.SaveUploaded(ctx, w, w.JobID, store.Upload{Rows: 1, Bytes: 2, SHA256: []byte{3}})
		}},
		{"bind", []string{"created"}, func(ctx context.Context, w *store.Work) error {
			_, err := s.Bind(ctx, w, w.JobID, time.Hour)
			return err
		}},
		{"save a refusal", []string{"bound"}, func(ctx context.Context, w *store.Work) error {
			_, err := s.SaveRefused(ctx, w, w.JobID, "no", store.Pause{Pipeline: "p", Class: record.ClassCode})
			return err
		}},
		{"hand over", []string{"bound"}, func(ctx context.Context, w *store.Work) error { return s.SaveSubmitted(ctx, w, w.JobID, message) }},
		{"renew", []string{"claimed", "created", "bound", "sent", "submitted"}, func(ctx context.Context, w *store.Work) error { return s.Renew(ctx, w, time.Second) }},
		{"park", []string{"claimed", "created", "bound", "sent", "submitted"}, func(ctx context.Context, w *store.Work) error { return s.Park(ctx, w, store.Parked{}) }},
		{"release", []string{"claimed", "created", "bound", "sent", "submitted"}, func(ctx context.Context, w *store.Work) error { return s.Release(ctx, w) }},
	}
	for _, m := range moves {
		t.Run(m.name, func(t *testing.T) {
			for _, stage := range stages {
				w := put(t, admin, stage)
				stale := w
				stale.Epoch--
				if err := m.do(t.Context(), &stale); !errors.Is(err, pg.ErrLost) {
					t.Errorf("from %s a stale owner gets %v, want %v", stage, err, pg.ErrLost)
				}
				err := m.do(t.Context(), &w)
				if legal := slices.Contains(m.from, stage); legal && err != nil || !legal && !errors.Is(err, pg.ErrLost) {
					t.Errorf("from %s: %v, legal is %v", stage, err, legal)
				}
			}
		})
	}
	t.Run("a move for another job hits no row", func(t *testing.T) {
		for _, m := range []struct {
			stage string
			do    func(*store.Work) error
		}{
			{"created", func(w *store.Work) error { return s.SaveUploaded(t.Context(), w, "other", store.Upload{}) }},
			{"created", func(w *store.Work) error { _, err := s.Bind(t.Context(), w, "other", time.Hour); return err }},
			{"bound", func(w *store.Work) error { return s.SaveSubmitted(t.Context(), w, "other", message) }},
			{"bound", func(w *store.Work) error {
				_, err := s.SaveRefused(t.Context(), w, "other", "no", store.Pause{})
				return err
			}},
		} {
			w := put(t, admin, m.stage)
			if err := m.do(&w); !errors.Is(err, pg.ErrLost) {
				t.Errorf("from %s: %v, want %v", m.stage, err, pg.ErrLost)
			}
		}
	})
	for name, give := range map[string]func(context.Context, *store.Work) error{
		"parked":      func(ctx context.Context, w *store.Work) error { return s.Park(ctx, w, store.Parked{Wait: time.Hour}) },
		"released":    s.Release,
		"handed over": func(ctx context.Context, w *store.Work) error { return s.SaveSubmitted(ctx, w, w.JobID, message) },
	} {
		t.Run("a renewal that comes after the submission was "+name+" does not take it again", func(t *testing.T) {
			w := put(t, admin, "bound")
			if err := give(t.Context(), &w); err != nil {
				t.Fatal(err)
			}
			if err := s.Renew(t.Context(), &w, time.Hour); !errors.Is(err, pg.ErrLost) {
				t.Errorf("renew: %v, want %v", err, pg.ErrLost)
			}
			var free bool
			if err := admin.QueryRow(t.Context(), `SELECT lease_until < now() FROM submitter.submissions WHERE chunk = $1`, w.Chunk).Scan(&free); err != nil || !free {
				t.Errorf("free is %v (%v), want the lease to be given back", free, err)
			}
		})
	}
	t.Run("a job without a stored upload is not bound", func(t *testing.T) {
		w := put(t, admin, "created")
		if _, err := admin.Exec(t.Context(), `UPDATE submitter.submissions SET uploaded_at = NULL WHERE chunk = $1`, w.Chunk); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Bind(t.Context(), &w, w.JobID, time.Hour); !errors.Is(err, pg.ErrLost) {
			t.Errorf("bind: %v, want %v", err, pg.ErrLost)
		}
		var holder *uuid.UUID
		if err := admin.QueryRow(t.Context(), `SELECT holder FROM submitter.lanes WHERE space = $1 AND lane = $2`, w.Space, w.Lane).Scan(&holder); err != nil || holder != nil {
			t.Errorf("the lane is held by %v (%v), want nobody: the transaction was undone", holder, err)
		}
	})
	t.Run("what a resend leaves out is decided once", func(t *testing.T) {
		w := put(t, admin, "claimed")
		c := store.Checked{Upload: &store.Upload{Rows: 1}}
		if err := s.SaveChecked(t.Context(), &w, c); err != nil {
			t.Fatal(err)
		}
		if err := s.SaveChecked(t.Context(), &w, c); !errors.Is(err, pg.ErrLost) {
			t.Errorf("a second answer: %v, want %v", err, pg.ErrLost)
		}
	})
}

// renumber keeps of the arguments those that the statement names, and numbers them anew.
func renumber(sql string, args []any) (string, []any) {
	var out []byte
	var kept []any
	number := map[byte]byte{}
	for i := 0; i < len(sql); i++ {
		out = append(out, sql[i])
		if sql[i] == '$' {
			i++
			n, ok := number[sql[i]]
			if !ok {
				kept = append(kept, args[sql[i]-'1'])
				n = byte('0' + len(kept))
				number[sql[i]] = n
			}
			out = append(out, n)
		}
	}
	return string(out), kept
}
