-- name: StartReader :exec
INSERT INTO ops.checkpoints (reader, incarnation, seq) VALUES (@reader, @incarnation, 0) ON CONFLICT (reader) DO NOTHING;

-- name: ClaimReader :one
UPDATE ops.checkpoints
SET owner = @owner, lease_until = now() + make_interval(secs => @lease_seconds)
WHERE reader = @reader AND (owner = @owner OR lease_until < now())
RETURNING incarnation, seq;

-- name: Checkpoint :one
SELECT incarnation, seq FROM ops.checkpoints WHERE reader = @reader;

-- name: MoveCheckpoint :execrows
UPDATE ops.checkpoints
SET seq = @seq, moved_at = now()
WHERE reader = @reader AND owner = @owner AND seq = @was AND incarnation = @incarnation;

-- Another stream of the same name: its sequences mean something else.
-- name: RestartReader :execrows
UPDATE ops.checkpoints
SET seq = 0, incarnation = @incarnation, moved_at = now()
WHERE reader = @reader AND owner = @owner AND incarnation = @was;

-- name: ForgetMessages :execrows
DELETE FROM ops.letter_messages;

-- name: NoteMessages :exec
INSERT INTO ops.letter_messages (seq, letter_id)
SELECT unnest(@seqs::bigint[]), unnest(@letter_ids::uuid[])
ON CONFLICT (seq) DO NOTHING;
