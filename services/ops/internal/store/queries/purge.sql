-- The first message of a pipeline's RECORDS that is not decided in every lane (2147483647 stands for behind the last record of a message), and the oldest place that a chunk still needs: its payloads are copied into the failures when its
-- outcome is written. Of the chunks of letters only those that were filled by a part that was read again need their messages; a part that is still
-- to be read again is needed itself. -1 = no checkpoint (nothing may go), or no such chunk.
-- name: PurgeMarks :many
SELECT d.name AS pipeline,
       coalesce((SELECT min(CASE c.idx WHEN 2147483647 THEN c.seq + 1 ELSE c.seq END) FROM extractor_pub.checkpoints c WHERE c.pipeline = d.name), -1)::bigint AS undecided,
       coalesce((SELECT min(k.first_seq) FROM extractor_pub.chunks k
        WHERE k.pipeline = d.name AND k.reconciled_at IS NULL
          AND (k.kind = 'fresh' OR EXISTS (SELECT 1 FROM extractor_pub.chunk_runs c WHERE c.chunk = k.chunk AND c.accepted > 0))
          AND (NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = k.chunk)
               OR (SELECT coalesce(sum(r.unresolved), 0) FROM reconciler_pub.outcome_runs r WHERE r.chunk = k.chunk)
                  > (SELECT count(*) FROM reconciler_pub.resolutions s WHERE s.chunk = k.chunk))), -1)::bigint AS oldest_needed,
       coalesce((SELECT min(greatest(o.from_seq, coalesce(r.read_seq, 0) + 1)) FROM ops.rereads o LEFT JOIN extractor_pub.rereads r ON r.id = o.id
        WHERE o.pipeline = d.name AND r.done_at IS NULL), -1)::bigint AS reread_from,
       coalesce((SELECT r.stopped_code FROM extractor_pub.readers r WHERE r.pipeline = d.name), '')::text AS stopped_code,
       (SELECT r.incarnation FROM extractor_pub.readers r WHERE r.pipeline = d.name) AS incarnation,
       coalesce((SELECT r.witness_seq FROM extractor_pub.readers r WHERE r.pipeline = d.name), 0)::bigint AS witness_seq,
       (SELECT r.witness_stored_at FROM extractor_pub.readers r WHERE r.pipeline = d.name) AS witness_stored_at
FROM (SELECT DISTINCT name FROM ops.definitions) d
ORDER BY d.name;

-- What a pipeline's stream must begin behind when it has to be made, and whether its reader has stopped with an alarm.
-- name: RecordsReader :one
SELECT greatest(coalesce((SELECT max(r.witness_seq) FROM extractor_pub.readers r WHERE r.pipeline = @pipeline), 0),
                coalesce((SELECT max(c.seq) FROM extractor_pub.checkpoints c WHERE c.pipeline = @pipeline), 0))::bigint AS read_seq,
       EXISTS (SELECT FROM extractor_pub.readers r WHERE r.pipeline = @pipeline AND r.stopped_code <> '') AS stopped;
