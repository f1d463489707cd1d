-- The oldest messages of one family that nobody else is publishing, sizes only: bodies may be large.
SELECT id, octet_length(body) AS size
FROM @schema.outbox
WHERE split_part(subject, '.', 1) = $1
ORDER BY id
LIMIT $2
FOR UPDATE SKIP LOCKED;
