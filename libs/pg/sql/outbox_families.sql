-- The first words of the subjects that wait: each leads to a stream of its own, and one stream that refuses must not
-- hold up the others.
SELECT DISTINCT split_part(subject, '.', 1) FROM @schema.outbox ORDER BY 1;
