-- What each service knows of an org's circuit, and the ledger's clock.
SELECT service, class, failures, cause, opened_at, failed_at, next_call_at, closed_at, clock_timestamp()
FROM (
    SELECT 'submitter' AS service, org, class, failures, cause, opened_at, failed_at, next_call_at, closed_at FROM submitter_pub.circuits
    UNION ALL
    SELECT 'poller' AS service, org, class, failures, cause, opened_at, failed_at, next_call_at, closed_at FROM poller_pub.circuits
    UNION ALL
    SELECT 'reconciler' AS service, org, class, failures, cause, opened_at, failed_at, next_call_at, closed_at FROM reconciler_pub.circuits
) AS known
WHERE org = $1;
