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
RETURNING id, topic, key, value, headers, written_at

-- name: still_in_outbox
SELECT id FROM outbox WHERE id = ANY($1::bigint[])

-- name: outbox_state
SELECT count(*) AS rows, coalesce(extract(epoch FROM now() - min(written_at)), 0)::float8 AS age FROM outbox

-- name: forget_old_inbox
DELETE FROM inbox WHERE (consumer, event_id) IN (
    SELECT consumer, event_id FROM inbox WHERE received_at < now() - $1::interval LIMIT 10000
)

-- name: lock_read_back
SELECT pg_try_advisory_lock($1, $2)

-- name: unlock_read_back
SELECT pg_advisory_unlock($1, $2)

-- name: when_due
SELECT now() WHERE NOT EXISTS (
    SELECT FROM read_backs WHERE topic = $1 AND began_at > greatest(now() - $2::interval, asked_at)
)

-- name: begin_read_back
DROP TABLE IF EXISTS pg_temp.read_back; -- of a turn that was cut short
CREATE TEMPORARY TABLE read_back (key text COLLATE "C" PRIMARY KEY, version bigint NOT NULL)

-- name: note_versions
INSERT INTO pg_temp.read_back (key, version)
SELECT key, version FROM unnest($1::text[], $2::bigint[]) AS new (key, version)
ON CONFLICT (key) DO UPDATE SET version = excluded.version

-- name: note_read_back
INSERT INTO read_backs (topic, began_at) VALUES ($1, $2) ON CONFLICT (topic) DO UPDATE SET began_at = excluded.began_at

-- name: end_read_back
DROP TABLE pg_temp.read_back

-- name: ask_to_read_back
INSERT INTO read_backs (topic, asked_at) SELECT topic, now() FROM unnest($1::text[]) AS topic ORDER BY topic
ON CONFLICT (topic) DO UPDATE SET asked_at = excluded.asked_at

-- name: doubt_topics
UPDATE read_backs SET asked_at = now() WHERE topic = ANY($1::text[]) AND began_at < now() - $2::interval
