-- This service's row, whose writers hold the lock.
INSERT INTO @schema.circuits (org, class, failures, cause, opened_at, failed_at, next_call_at, closed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (org) DO UPDATE SET class = excluded.class, failures = excluded.failures, cause = excluded.cause, opened_at = excluded.opened_at,
    failed_at = excluded.failed_at, next_call_at = excluded.next_call_at, closed_at = excluded.closed_at;
