-- What one look reads of the ledger, in one snapshot: a name and a number a line.
SELECT 'sessions of ' || replace(application_name, 'bulkhead-', '') AS what, count(*) AS n FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'bulkhead-%' GROUP BY application_name
UNION ALL SELECT 'leases', (SELECT count(*) FROM extractor.readers WHERE lease_until > now())
    + (SELECT count(*) FROM submitter.submissions WHERE lease_until > now()) + (SELECT count(*) FROM poller.watches WHERE lease_until > now())
    + (SELECT count(*) FROM reconciler.work WHERE lease_until > now()) + (SELECT count(*) FROM ops.checkpoints WHERE lease_until > now())
UNION ALL SELECT 'open work', (SELECT count(*) FROM submitter.submissions WHERE ended_at IS NULL) + (SELECT count(*) FROM submitter.lanes WHERE holder IS NOT NULL)
    + (SELECT count(*) FROM poller.watches WHERE state = 'watching') + (SELECT count(*) FROM reconciler.work WHERE ended_at IS NULL)
UNION ALL SELECT 'outboxes', (SELECT count(*) FROM extractor.outbox) + (SELECT count(*) FROM submitter.outbox) + (SELECT count(*) FROM poller.outbox)
    + (SELECT count(*) FROM reconciler.outbox) + (SELECT count(*) FROM retrier.outbox) + (SELECT count(*) FROM ops.outbox)
UNION ALL SELECT 'waiting', count(*) FROM retrier.waiting
UNION ALL SELECT 'pieces', (SELECT count(*) FROM extractor.pieces) + (SELECT count(*) FROM retrier.pieces)
UNION ALL SELECT 'chunks', count(*) FROM submitter.submissions
UNION ALL SELECT 'ledger bytes', pg_database_size(current_database())
