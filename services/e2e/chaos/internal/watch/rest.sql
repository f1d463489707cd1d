-- What is still to be done, in one snapshot: a line for each sort of work of which there is any.
SELECT what, n FROM (
    SELECT 'messages in the outbox of extractor' AS what, count(*) AS n FROM extractor.outbox
    UNION ALL SELECT 'messages in the outbox of submitter', count(*) FROM submitter.outbox
    UNION ALL SELECT 'messages in the outbox of poller', count(*) FROM poller.outbox
    UNION ALL SELECT 'messages in the outbox of reconciler', count(*) FROM reconciler.outbox
    UNION ALL SELECT 'messages in the outbox of retrier', count(*) FROM retrier.outbox
    UNION ALL SELECT 'messages in the outbox of ops', count(*) FROM ops.outbox
    UNION ALL SELECT 'submissions', count(*) FROM submitter.submissions WHERE ended_at IS NULL
    UNION ALL SELECT 'held lanes', count(*) FROM submitter.lanes WHERE holder IS NOT NULL
    UNION ALL SELECT 'jobs that are watched', count(*) FROM poller.watches WHERE state = 'watching'
    UNION ALL SELECT 'jobs whose results are read', count(*) FROM reconciler.work WHERE ended_at IS NULL
    UNION ALL SELECT 'records that wait to be sent again', count(*) FROM retrier.waiting
    UNION ALL SELECT 'letters that are being replayed', count(*) FROM ops.letters WHERE state = 'replaying'
    UNION ALL SELECT 'letters of records that have no letter in the index of ops', count(*) FROM (
        SELECT letter_id FROM extractor.dead
        UNION ALL SELECT letter_id FROM reconciler.failures WHERE letter_id IS NOT NULL
        UNION ALL SELECT letter_id FROM retrier.dead) d
        WHERE NOT EXISTS (SELECT 1 FROM ops.letters l WHERE l.letter_id = d.letter_id)
    UNION ALL SELECT 'messages of letters that are closed', count(*) FROM ops.letter_messages m
        JOIN ops.letters l ON l.letter_id = m.letter_id WHERE l.state NOT IN ('open', 'replaying')
    UNION ALL SELECT 'open letters that do not lie in the stream', count(*) FROM ops.letters l
        WHERE l.state = 'open' AND NOT EXISTS (SELECT 1 FROM ops.letter_messages m WHERE m.letter_id = l.letter_id)
) w WHERE n > 0 ORDER BY what
