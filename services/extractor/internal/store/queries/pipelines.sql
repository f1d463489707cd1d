-- name: PipelineID :one
SELECT id FROM extractor.pipelines WHERE name = @name;

-- name: AddPipeline :one
INSERT INTO extractor.pipelines (name) VALUES (@name) RETURNING id;

-- Serialises everything that must happen once per pipeline though it has no lease: new columns, replays, and another number of lanes. The retrier takes it
-- too, by the same key, where it routes records to lanes.
-- name: LockPipeline :exec
SELECT pg_advisory_xact_lock(hashtextextended('bulkhead.extractor.' || @name::text, 0));

-- name: Columns :many
SELECT ordinal, name FROM extractor.columns WHERE pipeline_id = @pipeline_id ORDER BY ordinal;

-- name: AddColumn :exec
INSERT INTO extractor.columns (pipeline_id, ordinal, name) VALUES (@pipeline_id, @ordinal, @name);

-- name: EnsurePartition :exec
SELECT extractor.ensure_partition(@month::date);
