-- What the services know of an org's circuit is one circuit, as package circuit says: open while the newest failure that any of them saw is newer than the
-- newest success that closed it, told in the words of whoever failed last, with the latest next call of those that failed since. Of a closed one the
-- newest row tells of the last outage. Orgs whose circuit never opened have no row.
-- name: Circuits :many
WITH told AS (
    SELECT org, class, cause, failures, opened_at, failed_at, next_call_at, closed_at FROM submitter_pub.circuits
    UNION ALL SELECT org, class, cause, failures, opened_at, failed_at, next_call_at, closed_at FROM poller_pub.circuits
    UNION ALL SELECT org, class, cause, failures, opened_at, failed_at, next_call_at, closed_at FROM reconciler_pub.circuits
), closed AS (
    SELECT DISTINCT ON (org) org, closed_at FROM told ORDER BY org, closed_at DESC NULLS LAST
), last AS (
    SELECT DISTINCT ON (org) org, class, cause, failures, opened_at, failed_at FROM told ORDER BY org, failed_at DESC
), open AS (
    SELECT t.org, max(t.next_call_at) AS next_call_at
    FROM told t
    JOIN closed c ON c.org = t.org AND (c.closed_at IS NULL OR t.failed_at > c.closed_at)
    GROUP BY t.org
)
SELECT l.org, (o.org IS NOT NULL)::boolean AS open, l.class, l.cause, l.failures, l.opened_at, l.failed_at,
       coalesce(o.next_call_at, l.failed_at)::timestamptz AS next_call_at,
       coalesce(greatest(extract(epoch FROM o.next_call_at - clock_timestamp()), 0), 0)::float8 AS next_call_seconds, c.closed_at
FROM last l
JOIN closed c ON c.org = l.org
LEFT JOIN open o ON o.org = l.org
ORDER BY l.org;
