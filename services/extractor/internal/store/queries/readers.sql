-- name: AddReader :exec
-- Nothing of the pipeline was ever stored.
INSERT INTO extractor.readers (pipeline, follower_seq, follower_epoch) VALUES (@pipeline, 0, 0) ON CONFLICT DO NOTHING;

-- Taken when nobody holds it, or by its holder again: the epoch rises either way and fences whoever had it.
-- name: AcquireReader :one
UPDATE extractor.readers
SET owner = @owner, epoch = epoch + 1, lease_until = clock_timestamp() + make_interval(secs => @lease_seconds::float8),
    follower_seq = CASE WHEN follower_epoch = epoch THEN follower_seq END, follower_epoch = epoch + 1
WHERE pipeline = @pipeline AND (lease_until < now() OR owner = @owner)
RETURNING epoch, revision, incarnation, stopped_code, stopped_message, witness_seq, witness_stored_at;

-- Renewing is the fence as well: no row means that the epoch is another one's, or that the lease was given back. The last message that was read is noted
-- with it, so that it is never before what is decided.
-- name: RenewReader :execrows
UPDATE extractor.readers
SET lease_until = clock_timestamp() + make_interval(secs => @lease_seconds::float8),
    witness_stored_at = CASE WHEN @witness_seq::bigint > witness_seq THEN @witness_stored_at::timestamptz ELSE witness_stored_at END,
    witness_seq = greatest(witness_seq, @witness_seq::bigint)
WHERE pipeline = @pipeline AND owner = @owner AND epoch = @epoch AND lease_until > '-infinity';

-- name: ReleaseReader :execrows
UPDATE extractor.readers SET lease_until = '-infinity' WHERE pipeline = @pipeline AND owner = @owner AND epoch = @epoch;

-- name: SetIncarnation :execrows
UPDATE extractor.readers SET incarnation = @incarnation
WHERE pipeline = @pipeline AND owner = @owner AND epoch = @epoch AND incarnation IS NULL;

-- name: StopReader :execrows
UPDATE extractor.readers SET stopped_code = @code, stopped_message = @message
WHERE pipeline = @pipeline AND owner = @owner AND epoch = @epoch;

-- name: SetRevision :execrows
UPDATE extractor.readers SET revision = @revision
WHERE pipeline = @pipeline AND owner = @owner AND epoch = @epoch AND revision = @was;

-- name: Marks :many
SELECT lane, seq, idx FROM extractor.checkpoints WHERE pipeline = @pipeline ORDER BY lane;

-- A lane that is new begins where it is told.
-- name: AddMark :exec
INSERT INTO extractor.checkpoints (pipeline, lane, seq, idx) VALUES (@pipeline, @lane, @seq, @idx) ON CONFLICT DO NOTHING;

-- name: DropMarks :exec
DELETE FROM extractor.checkpoints WHERE pipeline = @pipeline AND lane >= @lanes;

-- Compare and set: the answer is the number of marks that stood where they were expected.
-- name: MoveMarks :execrows
UPDATE extractor.checkpoints c
SET seq = m.to_seq, idx = m.to_idx, moved_at = now()
FROM (SELECT unnest(@lanes::integer[]) AS lane, unnest(@from_seqs::bigint[]) AS from_seq, unnest(@from_idxs::integer[]) AS from_idx,
             unnest(@to_seqs::bigint[]) AS to_seq, unnest(@to_idxs::integer[]) AS to_idx) AS m
WHERE c.pipeline = @pipeline AND c.lane = m.lane AND c.seq = m.from_seq AND c.idx = m.from_idx;

-- Raises the marks that stand below a place: a person accepted that what lay before is lost, or that the stream was made again.
-- name: RaiseMarks :execrows
UPDATE extractor.checkpoints SET seq = @seq, idx = @idx, moved_at = now() WHERE pipeline = @pipeline AND (seq, idx) < (@seq::bigint, @idx::integer);

-- name: ResumeReader :one
UPDATE extractor.readers
SET incarnation = @incarnation, stopped_code = '', stopped_message = '', epoch = epoch + 1, lease_until = '-infinity',
    witness_seq = @witness_seq, witness_stored_at = @witness_stored_at,
    follower_seq = CASE WHEN follower_epoch = epoch THEN follower_seq END, follower_epoch = epoch + 1
WHERE pipeline = @pipeline AND stopped_code <> ''
RETURNING epoch;

-- name: Reader :one
SELECT revision, incarnation, stopped_code, stopped_message, witness_seq, witness_stored_at FROM extractor.readers WHERE pipeline = @pipeline;

-- A stream that is put back twice before anything new was read ends its range where the first one ended: what both leave out counts.
-- name: AddSkipped :exec
INSERT INTO extractor.skipped (pipeline, from_seq, through_seq) VALUES (@pipeline, @from_seq, @through_seq)
ON CONFLICT (pipeline, through_seq) DO UPDATE SET from_seq = least(skipped.from_seq, excluded.from_seq);

-- name: DropSkipped :exec
DELETE FROM extractor.skipped WHERE pipeline = @pipeline AND through_seq > @after;

-- name: Skipped :many
SELECT from_seq, through_seq FROM extractor.skipped WHERE pipeline = @pipeline ORDER BY through_seq;
