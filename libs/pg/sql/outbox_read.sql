SELECT id, subject, msg_id, headers, body FROM @schema.outbox WHERE id = ANY ($1::bigint[]) ORDER BY id;
