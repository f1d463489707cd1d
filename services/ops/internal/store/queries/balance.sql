-- The balance, over the owners' views, in one statement and so in one snapshot. Every move of a record from one term to another is one
-- transaction of the giver, or a guard row (taken, letters_taken, resolutions_taken) that commits with the receiver's rows: so the terms add up
-- at any moment. Letters of class unresolved are no dead records: what a person decided of them counts once the reconciler has it as a resolution.
-- '' for pipeline or run means all.
-- name: Balance :many
WITH terms AS (
    SELECT pipeline, run, 'accepted' AS term, sum(accepted)::bigint AS n FROM extractor_pub.chunk_runs GROUP BY pipeline, run
    UNION ALL
    SELECT pipeline, run, 'accepted', count(*) FROM extractor_pub.dead WHERE accepted GROUP BY pipeline, run
    UNION ALL
    SELECT s.pipeline, s.run, t.term, count(*)
    FROM extractor_pub.superseded s CROSS JOIN (VALUES ('accepted'), ('superseded')) AS t (term)
    GROUP BY s.pipeline, s.run, t.term
    UNION ALL
    SELECT c.pipeline, c.run, 'in_flight', sum(c.records)::bigint
    FROM (SELECT chunk, pipeline, run, records FROM extractor_pub.chunk_runs
          UNION ALL SELECT chunk, pipeline, run, records FROM retrier_pub.chunk_runs) c
    WHERE NOT EXISTS (SELECT 1 FROM reconciler_pub.outcomes o WHERE o.chunk = c.chunk)
    GROUP BY c.pipeline, c.run
    UNION ALL
    SELECT o.pipeline, o.run, t.term, sum(t.n)::bigint
    FROM reconciler_pub.outcome_runs o
    LEFT JOIN retrier_pub.taken k ON k.chunk = o.chunk
    CROSS JOIN LATERAL (VALUES
        ('landed', o.landed), ('superseded', o.superseded), ('unresolved', o.unresolved), ('dead', o.dead),
        ('retrying', CASE WHEN k.chunk IS NULL THEN o.retrying ELSE 0 END),
        ('waiting_for_parent', CASE WHEN k.chunk IS NULL THEN o.waiting_for_parent ELSE 0 END)) AS t (term, n)
    GROUP BY o.pipeline, o.run, t.term
    UNION ALL
    SELECT r.pipeline, r.run, t.term, sum(t.n)::bigint
    FROM reconciler_pub.resolutions r
    LEFT JOIN retrier_pub.resolutions_taken k ON k.failure_id = r.failure_id
    CROSS JOIN LATERAL (VALUES
        ('unresolved', -1),
        ('landed', CASE r.decision WHEN 'landed' THEN 1 ELSE 0 END),
        ('retrying', CASE WHEN r.decision = 'not_landed' AND k.failure_id IS NULL THEN 1 ELSE 0 END)) AS t (term, n)
    GROUP BY r.pipeline, r.run, t.term
    UNION ALL
    SELECT pipeline, run, CASE class WHEN 'reference' THEN 'waiting_for_parent' ELSE 'retrying' END, count(*)
    FROM retrier_pub.waiting GROUP BY 1, 2, 3
    UNION ALL
    SELECT pipeline, run, 'dead', count(*) FROM extractor_pub.dead GROUP BY pipeline, run
    UNION ALL
    SELECT pipeline, run, 'dead', count(*) FROM retrier_pub.dead GROUP BY pipeline, run
    UNION ALL
    SELECT pipeline, run, 'dead', -count(*) FROM ops.letters WHERE state <> 'open' AND class <> 'unresolved' GROUP BY pipeline, run
    UNION ALL
    SELECT l.pipeline, l.run, 'retrying', count(*)
    FROM ops.letters l
    WHERE l.state = 'replaying' AND l.class <> 'unresolved'
      AND NOT EXISTS (SELECT 1 FROM retrier_pub.letters_taken t WHERE t.letter_id = l.letter_id)
      AND NOT EXISTS (SELECT 1 FROM extractor_pub.letters_taken t WHERE t.letter_id = l.letter_id)
    GROUP BY l.pipeline, l.run
    UNION ALL
    SELECT pipeline, run, state, count(*) FROM ops.letters WHERE state IN ('discarded', 'rolled_back') AND class <> 'unresolved' GROUP BY pipeline, run, state
    UNION ALL
    SELECT pipeline, run, 'repeats', sum(n)::bigint FROM extractor_pub.repeats GROUP BY pipeline, run
)
SELECT pipeline::text AS pipeline,
       coalesce(sum(n) FILTER (WHERE term = 'accepted'), 0)::bigint AS accepted,
       coalesce(sum(n) FILTER (WHERE term = 'landed'), 0)::bigint AS landed,
       coalesce(sum(n) FILTER (WHERE term = 'in_flight'), 0)::bigint AS in_flight,
       coalesce(sum(n) FILTER (WHERE term = 'retrying'), 0)::bigint AS retrying,
       coalesce(sum(n) FILTER (WHERE term = 'waiting_for_parent'), 0)::bigint AS waiting_for_parent,
       coalesce(sum(n) FILTER (WHERE term = 'unresolved'), 0)::bigint AS unresolved,
       coalesce(sum(n) FILTER (WHERE term = 'dead'), 0)::bigint AS dead,
       coalesce(sum(n) FILTER (WHERE term = 'superseded'), 0)::bigint AS superseded,
       coalesce(sum(n) FILTER (WHERE term = 'discarded'), 0)::bigint AS discarded,
       coalesce(sum(n) FILTER (WHERE term = 'rolled_back'), 0)::bigint AS rolled_back,
       coalesce(sum(n) FILTER (WHERE term = 'repeats'), 0)::bigint AS repeats
FROM terms
WHERE (@pipeline::text = '' OR pipeline = @pipeline) AND (@run::text = '' OR run = @run)
GROUP BY pipeline
ORDER BY pipeline;

-- Attempts that Salesforce answered with a failure, not records.
-- name: FailedAttempts :many
SELECT class, count(*) AS attempts
FROM reconciler_pub.failures
WHERE class <> '' AND (@pipeline::text = '' OR pipeline = @pipeline) AND (@run::text = '' OR run = @run)
GROUP BY class
ORDER BY class;
