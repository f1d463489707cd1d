-- name: PipelineStates :many
SELECT d.name AS pipeline, max(d.revision)::integer AS revision,
       ((SELECT count(*) FROM extractor_pub.chunks c WHERE c.pipeline = d.name
            AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk))
      + (SELECT count(*) FROM retrier_pub.chunks c WHERE c.pipeline = d.name
            AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)))::integer AS open_chunks,
       (SELECT count(*) FROM submitter_pub.submissions s WHERE s.pipeline = d.name AND s.state IN ('bound', 'submitted')
            AND NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = s.chunk))::integer AS open_jobs,
       (SELECT count(*) FROM reconciler_pub.outcomes o WHERE o.pipeline = d.name AND o.failed + o.unprocessed + o.missing > 0) AS partial_chunks
FROM ops.definitions d
GROUP BY d.name
ORDER BY d.name;

-- name: Readers :many
SELECT pipeline, stopped_code, stopped_message FROM extractor_pub.readers ORDER BY pipeline;

-- name: ReadingPlaces :many
SELECT pipeline, lane, seq, idx, moved_at FROM extractor_pub.checkpoints ORDER BY pipeline, lane;

-- How far the reconciler is.
-- name: ReconcilingPlaces :many
SELECT pipeline, count(*) AS chunks, max(reconciled_at)::timestamptz AS reconciled_at
FROM reconciler_pub.outcomes
GROUP BY pipeline
ORDER BY pipeline;

-- Every chunk without an outcome, with the service that must move it next.
-- name: OpenChunks :many
SELECT c.chunk, c.pipeline::text AS pipeline, c.kind::text AS kind, c.sealed_at,
       s.state AS submission_state, s.job_id, s.last_error AS submission_error, s.waiting_for, s.noted_at, s.submitted_at, s.answered_at,
       w.state AS watch_state, w.job_state, w.last_error AS watch_error, w.finished_at,
       k.state AS work_state, k.last_error AS work_error, k.reason AS work_reason, k.noted_at AS work_noted_at,
       k.reads AS work_reads, k.next_read_at AS work_next_read_at
FROM (
    SELECT chunk, pipeline, kind, sealed_at FROM extractor_pub.chunks WHERE reconciled_at IS NULL
    UNION ALL SELECT chunk, pipeline, kind, sealed_at FROM retrier_pub.chunks WHERE reconciled_at IS NULL
) c
LEFT JOIN submitter_pub.submissions s ON s.chunk = c.chunk
LEFT JOIN poller_pub.watches w ON w.chunk = c.chunk
LEFT JOIN reconciler_pub.work k ON k.chunk = c.chunk
WHERE NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)
ORDER BY c.sealed_at, c.chunk
LIMIT @max_items;

-- Pipelines whose jobs a ledger has forgotten that was restored to an earlier moment, until those have ended.
-- name: OpenRecoveries :many
SELECT r.id, r.pipeline, r.found_at,
       (SELECT count(*) FROM submitter_pub.forgotten f WHERE f.recovery = r.id) AS jobs,
       (SELECT count(*) FROM submitter_pub.forgotten f WHERE f.recovery = r.id AND f.state = 'open') AS open,
       (SELECT coalesce(max(f.last_error), '') FROM submitter_pub.forgotten f WHERE f.recovery = r.id AND f.state = 'open')::text AS last_error
FROM submitter_pub.recoveries r
WHERE r.done_at IS NULL
ORDER BY r.pipeline;

-- name: UntakenOutcomes :many
SELECT r.chunk, r.pipeline, sum(r.retrying + r.waiting_for_parent)::bigint AS records, min(o.reconciled_at)::timestamptz AS since
FROM reconciler_pub.outcome_runs r
JOIN reconciler_pub.outcomes o ON o.chunk = r.chunk
WHERE r.retrying + r.waiting_for_parent > 0 AND NOT EXISTS (SELECT 1 FROM retrier_pub.taken t WHERE t.chunk = r.chunk)
GROUP BY r.chunk, r.pipeline
ORDER BY since, r.chunk
LIMIT @max_items;

-- name: WaitingRecords :many
SELECT pipeline, class, count(*) AS records, min(due_at)::timestamptz AS next_due_at, min(since)::timestamptz AS since,
       max(attempt)::integer AS most_attempts
FROM retrier_pub.waiting
GROUP BY pipeline, class
ORDER BY pipeline, class;

-- name: LettersByState :many
SELECT l.pipeline, l.class, l.state, l.taker,
       (l.state = 'replaying' AND (EXISTS (SELECT 1 FROM retrier_pub.letters_taken t WHERE t.letter_id = l.letter_id)
            OR EXISTS (SELECT 1 FROM extractor_pub.letters_taken t WHERE t.letter_id = l.letter_id)
            OR EXISTS (SELECT 1 FROM reconciler_pub.resolutions r JOIN retrier_pub.resolutions_taken t ON t.failure_id = r.failure_id
                       WHERE r.letter_id = l.letter_id)))::boolean AS taken,
       count(*) AS letters, min(l.changed_at)::timestamptz AS since
FROM ops.letters l
WHERE l.state IN ('open', 'replaying')
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5;

-- Jobs that Salesforce works on, as the poller last saw them.
-- name: RunningJobs :many
SELECT pipeline, job_id, chunk, job_state, rows, processed, failed, submitted_at, looked_at
FROM poller_pub.watches
WHERE state = 'watching'
ORDER BY pipeline, submitted_at, chunk
LIMIT @max_items;

-- Decisions on unresolved records that the reconciler has not taken yet.
-- name: OpenDecisions :many
SELECT l.pipeline, d.decision, count(*) AS records, min(d.decided_at)::timestamptz AS since
FROM ops.decisions d
JOIN ops.letters l ON l.letter_id = d.letter_id
WHERE NOT EXISTS (SELECT 1 FROM reconciler_pub.resolutions r WHERE r.letter_id = d.letter_id)
GROUP BY l.pipeline, d.decision
ORDER BY l.pipeline, d.decision;
