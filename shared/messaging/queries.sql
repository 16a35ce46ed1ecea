-- name: note_in_inbox
INSERT INTO inbox (consumer, event_id)
SELECT $1, event_id FROM unnest($2::text[]) AS event_id ORDER BY event_id
ON CONFLICT DO NOTHING
RETURNING event_id

-- name: write_to_outbox
INSERT INTO outbox (shard, topic, key, value, headers)
SELECT shard, topic, key, value, headers::json
FROM unnest($1::smallint[], $2::text[], $3::bytea[], $4::bytea[], $5::text[])
    WITH ORDINALITY AS record (shard, topic, key, value, headers, place)
ORDER BY place
RETURNING id

-- name: lock_shard
SELECT pg_try_advisory_xact_lock($1, $2)

-- name: take_from_outbox
DELETE FROM outbox
WHERE id IN (SELECT id FROM outbox WHERE shard = $1 ORDER BY id LIMIT $2)
RETURNING id, topic, key, value, headers, extract(epoch FROM clock_timestamp() - written_at)::float8 AS age

-- name: still_in_outbox
SELECT id FROM outbox WHERE id = ANY($1::bigint[])

-- name: outbox_state
SELECT count(*) AS rows, coalesce(extract(epoch FROM now() - min(written_at)), 0)::float8 AS age, array_agg(DISTINCT shard) AS shards
FROM outbox

-- name: forget_old_inbox
DELETE FROM inbox WHERE (consumer, event_id) IN (
    SELECT consumer, event_id FROM inbox WHERE received_at < now() - $1::interval LIMIT $2
)
