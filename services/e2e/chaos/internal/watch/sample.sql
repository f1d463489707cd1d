-- What one look reads of the ledger, in one snapshot: a line for each mark (pipeline, lane, "<sequence>.<index>"), for the incarnation of each
-- pipeline's stream, and for the progress of each service.
SELECT 'mark' AS what, c.pipeline AS name, CASE c.lane WHEN -1 THEN 'none' ELSE c.lane::text END AS lane, c.seq || '.' || c.idx AS value FROM extractor.checkpoints c
UNION ALL SELECT 'mark', r.pipeline, 'incarnation', coalesce(extract(epoch FROM r.incarnation)::text, '') FROM extractor.readers r
    WHERE EXISTS (SELECT FROM extractor.checkpoints c WHERE c.pipeline = r.pipeline)
UNION ALL SELECT 'progress', 'extractor', '', ((SELECT count(*) + count(reconciled_at) FROM extractor.chunks) + (SELECT count(*) FROM extractor.dead)
    + (SELECT count(*) FROM extractor.superseded) + (SELECT coalesce(sum(n), 0) FROM extractor.repeats)
    + (SELECT coalesce(sum(seq), 0) FROM extractor.checkpoints))::text
UNION ALL SELECT 'progress', 'submitter', '', ((SELECT count(*) + count(bound_at) + count(submitted_at) + count(ended_at) FROM submitter.submissions)
    + (SELECT count(*) FROM submitter.jobs))::text
UNION ALL SELECT 'progress', 'poller', '', (SELECT count(*) + count(finished_at) + count(reconciled_at) + coalesce(sum(looks), 0) FROM poller.watches)::text
UNION ALL SELECT 'progress', 'reconciler', '', ((SELECT count(*) + count(ended_at) + coalesce(sum(reads), 0) FROM reconciler.work)
    + (SELECT count(*) FROM reconciler.outcomes))::text
UNION ALL SELECT 'progress', 'retrier', '', ((SELECT count(*) FROM retrier.taken) + (SELECT count(*) FROM retrier.letters_taken)
    + (SELECT count(*) FROM retrier.chunks) + (SELECT count(*) FROM retrier.dead))::text
UNION ALL SELECT 'progress', 'ops', '', ((SELECT count(*) + count(*) FILTER (WHERE state <> 'open') FROM ops.letters) + (SELECT count(*) FROM ops.actions)
    + (SELECT count(*) FROM ops.definitions) + (SELECT coalesce(sum(seq), 0) FROM ops.checkpoints))::text
