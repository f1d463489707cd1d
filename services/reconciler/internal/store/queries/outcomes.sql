-- One row. It is copied in, not passed as parameters, of which the driver holds each some times: it has twenty bytes for each row of the chunk.
-- name: InsertOutcome :copyfrom
INSERT INTO reconciler.outcomes (chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded,
                                 row_states, row_ids, created_rows, error_message, standing)
VALUES (@chunk, @pipeline, @org, @job_id, @job_state, @rows, @landed, @failed, @unprocessed, @missing, @superseded,
        @row_states, @row_ids, @created_rows, @error_message, @standing);

-- name: InsertOutcomeRuns :copyfrom
INSERT INTO reconciler.outcome_runs (chunk, pipeline, run, landed, dead, retrying, waiting_for_parent, unresolved, superseded)
VALUES (@chunk, @pipeline, @run, @landed, @dead, @retrying, @waiting_for_parent, @unresolved, @superseded);

-- name: PastFailures :many
SELECT id, payload, attempts, sf_id FROM reconciler.failures WHERE id = ANY(@ids::bigint[]);

-- name: PastLetters :many
-- Letters that this service decided.
SELECT letter_id, payload, attempts, sf_id FROM reconciler.failures
WHERE letter_id = ANY(@letter_ids::uuid[]) AND disposition IN ('dead', 'unresolved');

-- name: LockSeries :exec
-- Outcomes of one pipeline that may pause it are counted one after the other.
SELECT pg_advisory_xact_lock(hashtextextended('reconciler.series/' || @pipeline::text, 0));

-- name: BlockedInARow :one
-- Blocked submissions since the last one that worked, and since a person last lifted a pause of ours.
SELECT count(*)::bigint FROM reconciler.outcomes o
WHERE o.pipeline = @pipeline AND o.standing = 'blocked'
  AND o.reconciled_at > coalesce((SELECT max(p.reconciled_at) FROM reconciler.outcomes p WHERE p.pipeline = @pipeline AND p.standing = 'works'), '-infinity')
  AND o.reconciled_at > coalesce((SELECT max(l.at) FROM ops_pub.lifts l JOIN reconciler.pauses x ON x.id = l.pause_id WHERE x.pipeline = @pipeline AND x.org = ''), '-infinity');

-- name: OpenPauses :one
-- Pauses of ours that nobody has lifted; with a class only of that. A stop of the whole org says nothing of this pipeline, and ends by itself.
SELECT count(*)::bigint FROM reconciler.pauses p
WHERE p.pipeline = @pipeline AND p.org = '' AND (sqlc.narg(class)::text IS NULL OR p.class = sqlc.narg(class))
  AND NOT EXISTS (SELECT FROM ops_pub.lifts l WHERE l.pause_id = p.id);

-- name: InsertPause :exec
INSERT INTO reconciler.pauses (id, pipeline, class, code, message) VALUES (@id, @pipeline, @class, @code, @message);

-- name: DLQ :one
SELECT incarnation, failure_id, up_to FROM reconciler.dlq;

-- name: BeginDLQ :execrows
-- A stream that was not there before: every letter decided so far is published into it.
INSERT INTO reconciler.dlq AS d (incarnation, failure_id, up_to)
VALUES (@incarnation, 0, coalesce((SELECT max(id) FROM reconciler.failures), 0))
ON CONFLICT (single) DO UPDATE SET incarnation = EXCLUDED.incarnation, failure_id = 0, up_to = EXCLUDED.up_to, moved_at = now()
WHERE d.incarnation <> EXCLUDED.incarnation;

-- name: MoveDLQ :execrows
UPDATE reconciler.dlq SET failure_id = @failure_id, moved_at = now()
WHERE incarnation = @incarnation AND failure_id = @old_failure_id;

-- name: OpenLetters :many
-- Letters of ours that still wait for a person, by the failure's number. One that ops does not know yet is open.
SELECT f.id, f.chunk, f.row, f.pipeline, f.revision, f.run, f.key, f.generation, f.entity, f.seq, f.idx, f.accepted_at, f.class, f.code,
       f.message, f.fields, f.letter_id, f.header, f.cells, f.payload, f.attempts, f.decided_at,
       (coalesce(l.state, 'open') IN ('open', 'replaying'))::boolean AS open
FROM (
    (SELECT * FROM reconciler.failures d WHERE d.disposition = 'dead' AND d.id > @after AND d.id <= @up_to ORDER BY d.id LIMIT @max_rows)
    UNION ALL
    (SELECT * FROM reconciler.failures u WHERE u.disposition = 'unresolved' AND u.id > @after AND u.id <= @up_to ORDER BY u.id LIMIT @max_rows)
) f
LEFT JOIN ops_pub.letters l ON l.letter_id = f.letter_id
ORDER BY f.id LIMIT @max_rows;
