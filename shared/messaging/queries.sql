-- name: note_in_inbox
INSERT INTO inbox (consumer, event_id)
SELECT $1, event_id FROM unnest($2::text[]) AS event_id ORDER BY event_id
ON CONFLICT DO NOTHING
RETURNING event_id

-- name: write_to_outbox
WITH written AS (
    INSERT INTO outbox (shard, topic, key, value, headers)
    SELECT shard, topic, key, value, headers::json
    FROM unnest(string_to_array($1, NULL)::smallint[], string_to_array($2, ' '), $3::bytea[], $4::bytea[], string_to_array($5, E'\x1f'))
        WITH ORDINALITY AS record (shard, topic, key, value, headers, place)
    ORDER BY place
    RETURNING id
)
SELECT array_agg(id ORDER BY id) AS ids, now() AS at FROM written

-- name: take_from_outbox
-- Of these shards those that nobody else has, each with its oldest rows: one row of the answer at least for each of them. What
-- another relay sent between this statement's beginning and the lock is gone, and is passed over; so `found` may be more than
-- what is taken. The oldest by the order of the index: by `shard =` alone all that a shard holds may be read and sorted at every turn.
-- They are deleted by their place on disk, which no row changes: planned by their ids, all of the table may be read.
-- Of those that the process has in memory ($4, written at $5) only the ids are said, with no topic.
WITH free AS MATERIALIZED (
    SELECT shard FROM unnest($2::smallint[]) AS shard WHERE pg_try_advisory_xact_lock($1, shard)
), oldest AS MATERIALIZED (
    SELECT shard, place FROM free CROSS JOIN LATERAL (
        SELECT ctid AS place FROM outbox WHERE (outbox.shard, outbox.id) > (free.shard, 0) AND (outbox.shard, outbox.id) < (free.shard + 1, 0)
        ORDER BY outbox.shard, outbox.id LIMIT $3) AS of_shard
), taken AS (
    DELETE FROM outbox WHERE ctid = ANY(ARRAY(SELECT place FROM oldest))
    RETURNING shard, id, topic, key, value, headers, extract(epoch FROM clock_timestamp() - written_at)::float8 AS age,
        id = ANY(string_to_array($4, ',')::bigint[]) AND written_at = ANY($5::timestamptz[]) AS known
)
SELECT shard, found, id, age, CASE WHEN NOT known THEN topic END AS topic, CASE WHEN NOT known THEN key END AS key,
    CASE WHEN NOT known THEN value END AS value, CASE WHEN NOT known THEN headers END AS headers
FROM free LEFT JOIN (SELECT shard, count(*) AS found FROM oldest GROUP BY shard) AS counted USING (shard) LEFT JOIN taken USING (shard)
ORDER BY id

-- name: still_in_outbox
SELECT id FROM outbox WHERE id = ANY($1::bigint[])

-- name: outbox_state
-- Of each of so many shards the oldest row alone, and a count that ends: each process asks every few seconds, also while Kafka is away
-- and rows pile up.
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $2) AS part) AS rows,
    coalesce(extract(epoch FROM now() - min(oldest.written_at)), 0)::float8 AS age, array_agg(shard) AS shards
FROM generate_series(0, $1 - 1) AS shard
CROSS JOIN LATERAL (SELECT written_at FROM outbox WHERE outbox.shard = shard.shard ORDER BY id LIMIT 1) AS oldest

-- name: forget_old_inbox
DELETE FROM inbox WHERE (consumer, event_id) IN (
    SELECT consumer, event_id FROM inbox WHERE received_at < now() - $1::interval LIMIT $2
)
