-- The first message of a pipeline's RECORDS that is not decided in every lane (2147483647 stands for behind the last record of a message), and the oldest place that a chunk still needs: its payloads are copied into the failures when its
-- outcome is written. -1 = no checkpoint (nothing may go), or no such chunk.
-- name: PurgeMarks :many
SELECT d.name AS pipeline,
       coalesce((SELECT min(CASE c.idx WHEN 2147483647 THEN c.seq + 1 ELSE c.seq END) FROM extractor_pub.checkpoints c WHERE c.pipeline = d.name), -1)::bigint AS undecided,
       coalesce((SELECT min(k.first_seq) FROM extractor_pub.chunks k
        WHERE k.pipeline = d.name AND k.kind = 'fresh' AND k.reconciled_at IS NULL
          AND (NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = k.chunk)
               OR EXISTS (SELECT 1 FROM reconciler_pub.outcome_runs r WHERE r.chunk = k.chunk AND r.unresolved > 0))), -1)::bigint AS oldest_needed,
       coalesce((SELECT r.stopped_code FROM extractor_pub.readers r WHERE r.pipeline = d.name), '')::text AS stopped_code,
       (SELECT r.incarnation FROM extractor_pub.readers r WHERE r.pipeline = d.name) AS incarnation
FROM (SELECT DISTINCT name FROM ops.definitions) d
ORDER BY d.name;
