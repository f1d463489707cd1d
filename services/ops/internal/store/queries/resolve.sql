-- Decisions of two people must not give one row of the org to two records.
-- name: LockDecisions :exec
SELECT pg_advisory_xact_lock(hashtext('ops.decisions'));

-- What is to be checked of unresolved letters before anybody decides them, and whether they are decided already.
-- name: UnresolvedLetters :many
SELECT l.letter_id, l.pipeline, l.class, l.state, f.revision, f.key, f.entity, f.chunk, f.decided_at
FROM ops.letters l
LEFT JOIN reconciler_pub.failures f ON f.letter_id = l.letter_id AND f.disposition = 'unresolved'
WHERE l.letter_id = ANY (@letter_ids::uuid[])
ORDER BY l.letter_id;

-- Whether a row of the org is that of another record: an insert makes a row of its own. Of other pipelines than the one that asks only chunks that made
-- rows count, whatever the pipeline does by now, as in the reconciler's LandedSince: what merely updates a row does not say whose it is. Row ids lie 18 bytes apart.
-- name: RowIsTaken :one
SELECT (EXISTS (SELECT 1 FROM ops.decisions d WHERE d.decision = 'landed' AND d.sf_id = @sf_id::text)
     OR EXISTS (SELECT 1 FROM reconciler_pub.resolutions r WHERE r.decision = 'landed' AND r.sf_id = @sf_id)
     OR EXISTS (SELECT 1 FROM reconciler_pub.outcomes o
                WHERE o.org = @org AND (o.pipeline = @pipeline OR o.created_rows > 0) AND o.landed > 0
                  AND (position(convert_to(@sf_id, 'UTF8') IN o.row_ids) - 1) % 18 = 0))::boolean;

-- name: Decide :exec
INSERT INTO ops.decisions (letter_id, action_id, decision, sf_id, reason, by)
SELECT unnest(@letter_ids::uuid[]), @action_id, @decision, @sf_id, @reason, @by;

-- name: MoveDecided :many
UPDATE ops.letters
SET state = @state, action_id = @action_id, changed_at = now()
WHERE letter_id = ANY (@letter_ids::uuid[]) AND state = 'open' AND class = 'unresolved'
RETURNING pipeline;
