package retry

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// What it costs to send a record again, from its failure to the sealed resend, by steps; a large chunk of which one row in twenty was refused:
//
//	go test ./retrier/internal/retry -run '^$' -bench Resend -benchtime 5x
const benchFailures = 20_000

func BenchmarkResend(b *testing.B) {
	l := newLedger(b)
	l.defs["contacts/1"] = definition(b, 1, 1_000_000)
	steps := map[string]time.Duration{}
	step := func(name string, do func() error) {
		began := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		steps[name] += time.Since(began)
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		chunk := uuid.New()
		l.refused(chunk, benchFailures)
		p := l.passes()
		b.StartTimer()
		step("take", func() error { _, err := p.Take(b.Context(), chunk); return err })
		l.clock.Advance(time.Hour)
		step("regroup", func() error { _, _, err := p.Regroup(b.Context()); return err })
		resend := l.openChunk()
		b.StopTimer()
		l.ended(resend)
		b.StartTimer()
		step("free", func() error { _, err := p.Free(b.Context(), resend); return err })
	}
	for name, took := range steps {
		b.ReportMetric(float64(took.Nanoseconds())/float64(b.N)/benchFailures, name+"-ns/row")
	}
}

// refused writes the outcome of a chunk of which so many rows were refused, each by a lock, and the rows as the reconciler stores them.
func (l *ledger) refused(chunk uuid.UUID, rows int) {
	l.t.Helper()
	l.exec(`INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded, row_states, row_ids, created_rows, standing)
		VALUES ($1, 'contacts', 'main', '750000000000001AAA', 'JobComplete', $2, 0, $2, 0, 0, 0, convert_to(repeat('f', $2), 'UTF8'), convert_to(repeat('x', 18 * $2), 'UTF8'), 0, 'works')`,
		chunk, rows)
	l.exec(`INSERT INTO reconciler.outcome_runs (chunk, pipeline, run, landed, dead, retrying, waiting_for_parent, unresolved, superseded)
		VALUES ($1, 'contacts', '', 0, 0, $2, 0, 0, 0)`, chunk, rows)
	l.exec(`INSERT INTO reconciler.failures
		(chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns, accepted_at,
		 attempt, outcome, class, code, message, fields, sf_id, disposition, header, cells, payload, attempts, row_records)
		SELECT $1::uuid, n * 20, 0, 'contacts', 1, 0, '', md5(n::text || $1::text), gen_random_uuid(), 0, 'entity-' || n || $1::text, gen_random_uuid(), n / 25, n % 500, '\x07'::bytea, now(),
		       1, 'failed', 'contention', 'UNABLE_TO_LOCK_ROW', 'unable to obtain exclusive access to this record', '{}'::text[], '', 'retry', $3::text[],
		       ARRAY['entity-' || n, 'somebody.' || n || '@example.com', '+1 555 0100'], convert_to('{"id":"entity-' || n || '","email":"somebody.' || n || '@example.com","phone":"+1 555 0100","note":"' || repeat('lorem ipsum ', 14) || '"}', 'UTF8'),
		       jsonb_build_array(jsonb_build_object('n', 1, 'chunk', $1::text, 'job_id', '750000000000001AAA', 'at', '2026-03-01T11:00:00Z', 'class', 'contention', 'code', 'UNABLE_TO_LOCK_ROW', 'message', 'unable to obtain exclusive access to this record')), 1
		FROM generate_series(1, $2::int) n`, chunk, rows, l.defs["contacts/1"].Header())
}
