-- name: CopyChunkRuns :copyfrom
INSERT INTO extractor.chunk_runs (chunk, pipeline, run, kind, records, accepted) VALUES (@chunk, @pipeline, @run, @kind, @records, @accepted);

-- name: CopyPieces :copyfrom
INSERT INTO extractor.pieces (chunk, n, rows, data) VALUES (@chunk, @n, @rows, @data);

-- name: CopyDead :copyfrom
INSERT INTO extractor.dead (letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, payload,
    seq, idx, accepted_at, dead_at, accepted)
VALUES (@letter_id, @pipeline, @revision, @run, @key, @key_hash, @generation, @entity, @class, @code, @message, @fields, @payload,
    @seq, @idx, @accepted_at, @dead_at, @accepted);

-- name: CopySuperseded :copyfrom
INSERT INTO extractor.superseded (pipeline, revision, run, key, key_hash, generation, entity, seq, idx, version,
    successor_key_hash, successor_seq, successor_idx, accepted_at, decided_at)
VALUES (@pipeline, @revision, @run, @key, @key_hash, @generation, @entity, @seq, @idx, @version,
    @successor_key_hash, @successor_seq, @successor_idx, @accepted_at, @decided_at);

-- name: AddRepeats :exec
INSERT INTO extractor.repeats AS r (pipeline, run, n)
SELECT @pipeline::text, m.run, m.n FROM (SELECT unnest(@runs::text[]) AS run, unnest(@counts::bigint[]) AS n) AS m
ON CONFLICT (pipeline, run) DO UPDATE SET n = r.n + excluded.n;

-- name: NoteFollower :exec
UPDATE extractor.readers SET follower_seq = @seq::bigint WHERE pipeline = @pipeline AND follower_seq < @seq::bigint;

-- name: NoteAside :exec
INSERT INTO extractor.asides AS a (pipeline, n) VALUES (@pipeline, 1) ON CONFLICT (pipeline) DO UPDATE SET n = a.n + 1;
