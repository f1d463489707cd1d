-- Letters that are known are left out before the insert, since ON CONFLICT waits for whoever changes them, and an order may take minutes to change many. What
-- it is there for is a letter that becomes known in this moment.
-- name: NoteLetters :execrows
INSERT INTO ops.letters
    (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, fingerprint, dead_at)
SELECT x.letter_id, x.pipeline, x.revision, x.run, x.key, x.key_hash, x.generation, x.entity, x.class, x.code, x.message,
       ARRAY(SELECT jsonb_array_elements_text(x.fields)), x.stage, x.fingerprint, x.dead_at
FROM jsonb_to_recordset(@letters::jsonb) AS x
    (letter_id uuid, pipeline text, revision integer, run text, key text, key_hash uuid, generation smallint, entity text, class text, code text,
     message text, fields jsonb, stage text, fingerprint text, dead_at timestamptz)
WHERE NOT EXISTS (SELECT FROM ops.letters l WHERE l.letter_id = x.letter_id)
ON CONFLICT (letter_id) DO NOTHING;

-- Dead and unresolved records of the deciders' views that no letter told of: the sure way beside the fast one. Each disposition by itself, since each has an
-- index of its own: most failures are of neither, and looking through all of them would take the longer the more records were ever sent again.
-- name: UnknownLetters :many
SELECT x.letter_id::uuid AS letter_id, x.pipeline::text AS pipeline, x.revision::integer AS revision, x.run::text AS run, x.key::text AS key,
       x.key_hash::uuid AS key_hash, x.generation::smallint AS generation, x.entity::text AS entity, x.class::text AS class, x.code::text AS code,
       x.message::text AS message, x.fields::text[] AS fields, x.stage::text AS stage, x.dead_at::timestamptz AS dead_at
FROM (
    SELECT letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, 'extract' AS stage, dead_at
    FROM extractor_pub.dead
    UNION ALL
    SELECT letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, 'reconcile', decided_at
    FROM reconciler_pub.failures WHERE disposition = 'dead' AND letter_id IS NOT NULL
    UNION ALL
    SELECT letter_id, pipeline, revision, run, key, key_hash, generation, entity, 'unresolved', code, message, fields, 'reconcile', decided_at
    FROM reconciler_pub.failures WHERE disposition = 'unresolved' AND letter_id IS NOT NULL
    UNION ALL
    SELECT d.letter_id, d.pipeline, f.revision, d.run, d.key, d.key_hash, d.generation, f.entity, d.class, d.code, d.message, f.fields, 'retry', d.dead_at
    FROM retrier_pub.dead d JOIN reconciler_pub.failures f ON f.id = d.failure_id
) x
WHERE NOT EXISTS (SELECT 1 FROM ops.letters l WHERE l.letter_id = x.letter_id)
LIMIT @max_letters;

-- name: ListLetters :many
SELECT letter_id, pipeline, revision, run, key, generation, entity, class, code, message, fields, stage, state, dead_at
FROM ops.letters
WHERE (@pipeline::text = '' OR pipeline = @pipeline)
  AND (@class::text = '' OR class = @class)
  AND (@code::text = '' OR code = @code)
  AND (@fingerprint::text = '' OR fingerprint = @fingerprint)
  AND (@run::text = '' OR run = @run)
  AND (@state::text = '' OR state = @state)
  AND (dead_at, letter_id) > (@after_dead_at::timestamptz, @after_id::uuid)
ORDER BY dead_at, letter_id
LIMIT @page_size;

-- name: CountLetters :one
SELECT count(*)
FROM ops.letters
WHERE (@pipeline::text = '' OR pipeline = @pipeline)
  AND (@class::text = '' OR class = @class)
  AND (@code::text = '' OR code = @code)
  AND (@fingerprint::text = '' OR fingerprint = @fingerprint)
  AND (@run::text = '' OR run = @run)
  AND (@state::text = '' OR state = @state);

-- name: Letter :one
SELECT letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, stage, state, dead_at
FROM ops.letters
WHERE letter_id = @letter_id;

-- What the ledger holds on a letter decided by the reconciler or the retrier.
-- name: LetterFailure :one
SELECT f.header, f.cells, f.payload, f.attempts, f.seq, f.idx, f.accepted_at
FROM reconciler_pub.failures f
WHERE f.id = coalesce(
    (SELECT d.failure_id FROM retrier_pub.dead d WHERE d.letter_id = @letter_id),
    (SELECT x.id FROM reconciler_pub.failures x WHERE x.letter_id = @letter_id ORDER BY x.id LIMIT 1));

-- name: LetterRefusal :one
SELECT payload, seq, idx, accepted_at FROM extractor_pub.dead WHERE letter_id = @letter_id;

-- The groups with most letters, and beside each how many groups and letters there are in all: a text with a member's name of the publisher's in it makes a
-- group of each name, so their number has no bound.
-- name: LetterGroups :many
SELECT g.fingerprint, g.pipeline, g.class, g.code, g.fields, g.stage, g.letters, g.first_dead_at, g.last_dead_at, g.sample_keys, g.sample_ids,
       g.sample_message, g.runs, (count(*) OVER ())::bigint AS all_groups, (sum(g.letters) OVER ())::bigint AS all_letters
FROM (
    SELECT fingerprint, pipeline, class, code, fields, stage,
           count(*) AS letters, min(dead_at)::timestamptz AS first_dead_at, max(dead_at)::timestamptz AS last_dead_at,
           (array_agg(key ORDER BY dead_at, letter_id))[1:3]::text[] AS sample_keys,
           (array_agg(letter_id::text ORDER BY dead_at, letter_id))[1:3]::text[] AS sample_ids,
           (array_agg(message ORDER BY dead_at, letter_id))[1]::text AS sample_message,
           (array_agg(DISTINCT run))[1:20]::text[] AS runs
    FROM ops.letters
    WHERE state = 'open'
      AND (@pipeline::text = '' OR pipeline = @pipeline)
      AND (@class::text = '' OR class = @class)
      AND (@code::text = '' OR code = @code)
      AND (@fingerprint::text = '' OR fingerprint = @fingerprint)
      AND (@run::text = '' OR run = @run)
    GROUP BY fingerprint, pipeline, class, code, fields, stage
) g
ORDER BY g.letters DESC, g.fingerprint
LIMIT @max_groups;
