-- The balance, over the owners' views, in one statement and so in one snapshot. Every move of a record from one term to another is one
-- transaction of the giver, or a guard row (taken, letters_taken) that commits with the receiver's rows: so the terms add up at any moment.
-- '' for pipeline or run means all.
-- name: Balance :many
WITH terms AS (
    SELECT pipeline, run, 'accepted' AS term, sum(records)::bigint AS n FROM extractor_pub.chunk_runs WHERE kind = 'fresh' GROUP BY pipeline, run
    UNION ALL
    SELECT pipeline, run, 'accepted', count(*) FROM extractor_pub.dead WHERE generation = 0 GROUP BY pipeline, run
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
    SELECT pipeline, run, CASE class WHEN 'reference' THEN 'waiting_for_parent' ELSE 'retrying' END, count(*)
    FROM retrier_pub.waiting GROUP BY 1, 2, 3
    UNION ALL
    SELECT pipeline, run, 'dead', count(*) FROM extractor_pub.dead GROUP BY pipeline, run
    UNION ALL
    SELECT pipeline, run, 'dead', count(*) FROM retrier_pub.dead GROUP BY pipeline, run
    UNION ALL
    SELECT pipeline, run, 'dead', -count(*) FROM ops.letters WHERE state <> 'open' GROUP BY pipeline, run
    UNION ALL
    SELECT l.pipeline, l.run, 'retrying', count(*)
    FROM ops.letters l
    WHERE l.state = 'replaying'
      AND NOT EXISTS (SELECT 1 FROM retrier_pub.letters_taken t WHERE t.letter_id = l.letter_id)
      AND NOT EXISTS (SELECT 1 FROM extractor_pub.letters_taken t WHERE t.letter_id = l.letter_id)
    GROUP BY l.pipeline, l.run
    UNION ALL
    SELECT pipeline, run, state, count(*) FROM ops.letters WHERE state IN ('discarded', 'rolled_back') GROUP BY pipeline, run, state
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
