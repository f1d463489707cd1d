-- What one look reads of the ledger, in one snapshot.
SELECT
    (SELECT coalesce(jsonb_object_agg(m.pipeline, m.lanes), '{}') FROM (
        SELECT c.pipeline, jsonb_object_agg(CASE c.lane WHEN -1 THEN 'none' ELSE c.lane::text END, c.seq || '.' || c.idx)
               || jsonb_build_object('incarnation', coalesce(extract(epoch FROM r.incarnation)::text, '')) AS lanes
        FROM extractor.checkpoints c JOIN extractor.readers r ON r.pipeline = c.pipeline
        GROUP BY c.pipeline, r.incarnation) m) AS marks,
    jsonb_build_object(
        'extractor', (SELECT count(*) + count(reconciled_at) FROM extractor.chunks) + (SELECT count(*) FROM extractor.dead)
                   + (SELECT count(*) FROM extractor.superseded) + (SELECT coalesce(sum(n), 0) FROM extractor.repeats)
                   + (SELECT coalesce(sum(seq), 0) FROM extractor.checkpoints),
        'submitter', (SELECT count(*) + count(bound_at) + count(submitted_at) + count(ended_at) FROM submitter.submissions)
                   + (SELECT count(*) FROM submitter.jobs),
        'poller',    (SELECT count(*) + count(finished_at) + count(reconciled_at) + coalesce(sum(looks), 0) FROM poller.watches),
        'reconciler', (SELECT count(*) + count(ended_at) + coalesce(sum(reads), 0) FROM reconciler.work) + (SELECT count(*) FROM reconciler.outcomes),
        'retrier',   (SELECT count(*) FROM retrier.taken) + (SELECT count(*) FROM retrier.letters_taken) + (SELECT count(*) FROM retrier.chunks)
                   + (SELECT count(*) FROM retrier.dead),
        'ops',       (SELECT count(*) + count(*) FILTER (WHERE state <> 'open') FROM ops.letters) + (SELECT count(*) FROM ops.actions)
                   + (SELECT count(*) FROM ops.definitions) + (SELECT coalesce(sum(seq), 0) FROM ops.checkpoints)
    ) AS progress
