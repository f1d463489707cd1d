-- How long each statement of this transaction may take.
-- name: AllowTime :exec
SELECT set_config('statement_timeout', @milliseconds::text, true);

-- The idempotency key is taken first: a second request with it waits here until the first has committed.
-- name: TakeAction :execrows
INSERT INTO ops.actions (id, idempotency_key, kind, request_digest, reason, by, letters, skipped)
VALUES (@id, @idempotency_key, @kind, @request_digest, @reason, @by, 0, 0)
ON CONFLICT (idempotency_key) DO NOTHING;

-- name: ActionByKey :one
SELECT id, kind, request_digest, letters, skipped FROM ops.actions WHERE idempotency_key = @idempotency_key;

-- name: FinishAction :exec
UPDATE ops.actions SET letters = @letters, skipped = @skipped WHERE id = @id;

-- name: LockLettersByID :many
SELECT letter_id, pipeline, class, state FROM ops.letters WHERE letter_id = ANY (@letter_ids::uuid[]) ORDER BY letter_id FOR UPDATE;

-- name: LockLettersByFilter :many
SELECT letter_id, class
FROM ops.letters
WHERE state = 'open'
  AND (@pipeline::text = '' OR pipeline = @pipeline)
  AND (@class::text = '' OR class = @class)
  AND (@code::text = '' OR code = @code)
  AND (@fingerprint::text = '' OR fingerprint = @fingerprint)
  AND (@run::text = '' OR run = @run)
ORDER BY letter_id
FOR UPDATE;

-- A letter refused before Salesforce is mapped again by the extractor, which holds its payload. So is one whose definition has a newer revision, and one
-- whose record carries a version (its row may have been reduced for the sake of a newer one that died in its turn), as long as its payload is there:
-- one that was lost with its stream maps to nothing, and the row as it was sent is all that is left of the record.
-- Any other row is sent again as it was, by the retrier. A letter that nobody in the ledger has decided is one of a time that a restored ledger has
-- forgotten: its record is sent again by itself, and the letter moves nothing. So it is with a discard.
-- name: ReplayLetters :many
UPDATE ops.letters
SET state = 'replaying', action_id = @action_id, changed_at = now(),
    taker = CASE WHEN stage = 'extract'
                 OR (revision < (SELECT max(d.revision) FROM ops.definitions d WHERE d.name = letters.pipeline)
                     OR EXISTS (SELECT FROM extractor_pub.records r
                                WHERE r.pipeline = letters.pipeline AND r.key_hash = letters.key_hash AND r.placed IS NULL AND r.version IS NOT NULL))
                    AND EXISTS (SELECT FROM reconciler_pub.failures f
                                WHERE f.pipeline = letters.pipeline AND f.key_hash = letters.key_hash AND f.generation = letters.generation
                                  AND octet_length(f.payload) > 0)
                 THEN 'extractor' ELSE 'retrier' END
WHERE letter_id = ANY (@letter_ids::uuid[]) AND state = 'open'
  AND (EXISTS (SELECT FROM extractor_pub.dead d WHERE d.letter_id = letters.letter_id)
       OR EXISTS (SELECT FROM reconciler_pub.failures f WHERE f.letter_id = letters.letter_id)
       OR EXISTS (SELECT FROM retrier_pub.dead d WHERE d.letter_id = letters.letter_id))
RETURNING pipeline;

-- name: DiscardLetters :many
UPDATE ops.letters
SET state = 'discarded', action_id = @action_id, changed_at = now()
WHERE letter_id = ANY (@letter_ids::uuid[]) AND state = 'open'
  AND (EXISTS (SELECT FROM extractor_pub.dead d WHERE d.letter_id = letters.letter_id)
       OR EXISTS (SELECT FROM reconciler_pub.failures f WHERE f.letter_id = letters.letter_id)
       OR EXISTS (SELECT FROM retrier_pub.dead d WHERE d.letter_id = letters.letter_id))
RETURNING pipeline;
