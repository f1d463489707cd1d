-- Stores messages in the caller's transaction; $1 to $4 are parallel arrays.
INSERT INTO @schema.outbox (subject, msg_id, headers, body)
SELECT m.subject, m.msg_id, m.headers::jsonb, m.body
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY AS m (subject, msg_id, headers, body, n)
ORDER BY m.n;
