-- What each piece of work is in just now, as its owner stores it.
SELECT 'submission', chunk::text, state FROM submitter.submissions
UNION ALL SELECT 'watch', chunk::text, state FROM poller.watches
UNION ALL SELECT 'chunk', chunk::text, state FROM reconciler.work
