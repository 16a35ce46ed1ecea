-- name: write
INSERT INTO feed_incoming (feed, reader, body)
SELECT $1, reader, body::json FROM unnest(string_to_array($2, E'\x1f'), string_to_array($3, E'\x1f')) WITH ORDINALITY AS new (reader, body, place)
ORDER BY place

-- name: lock_sequencer
-- A statement of its own: what is read after it was committed by whoever had the lock before.
SELECT pg_try_advisory_xact_lock($1, hashtext($2))

-- name: next_of
SELECT last_seq, greatest(last_told_at, $2) AS told_at, EXISTS (SELECT FROM feed_incoming WHERE feed = $1) AS waits
FROM feeds WHERE feed = $1

-- name: make_partition
SELECT make_feed_partition($1, $2)

-- name: sequence
-- In the order of their ids: of two transactions of which one waited for the other, the later one has the higher ids. As an array:
-- else PostgreSQL reads all that waits for each page of it, where that is much.
WITH taken AS (
    DELETE FROM feed_incoming WHERE feed = $1 AND id = ANY(ARRAY(
        SELECT id FROM feed_incoming WHERE feed = $1 ORDER BY id LIMIT $4))
    RETURNING id, reader, body
), numbered AS (
    INSERT INTO feed_rows (feed, seq, told_at, reader, body)
    SELECT $1, $2 + row_number() OVER (ORDER BY id), $3, reader, body FROM taken
    RETURNING seq
), counted AS (
    SELECT count(*) AS rows FROM numbered
)
UPDATE feeds SET last_seq = $2 + counted.rows, last_told_at = $3 FROM counted WHERE feed = $1 RETURNING counted.rows

-- name: rows
SELECT seq, told_at, reader, body FROM feed_rows
WHERE feed = $1 AND reader = $2 AND seq > $3 AND told_at >= $4 ORDER BY seq LIMIT $5

-- name: rows_of_all
SELECT seq, told_at, reader, body FROM feed_rows
WHERE feed = $1 AND seq > $2 AND told_at >= $3 ORDER BY seq LIMIT $4

-- name: ends
SELECT generation, history = feed_history() AS is_ours, last_seq, last_told_at,
    CASE WHEN $2::text IS NULL THEN feeds.forgotten_seq ELSE coalesce(own.seq, 0) END AS forgotten_seq,
    CASE WHEN $2 IS NULL THEN feeds.forgotten_at ELSE coalesce(own.told_at, '-infinity') END AS forgotten_at
FROM feeds LEFT JOIN feeds_forgotten AS own ON own.feed = feeds.feed AND own.reader = $2
WHERE feeds.feed = $1

-- name: last_before
SELECT seq, told_at FROM feed_rows WHERE feed = $1 AND reader = $2 AND told_at < $3 ORDER BY seq DESC LIMIT 1

-- name: waits_of
-- What is on its way to them: few rows, for a moment.
SELECT EXISTS (SELECT FROM feed_incoming WHERE feed = $1 AND reader = $2)

-- name: any_waits
SELECT EXISTS (SELECT FROM feed_incoming WHERE feed = $1)

-- name: last_before_of_all
SELECT seq, told_at FROM feed_rows WHERE feed = $1 AND told_at < $2 ORDER BY seq DESC LIMIT 1

-- name: lock_timeout
SET LOCAL lock_timeout = '2s'

-- name: drop_partition
SELECT drop_feed_partition($1, $2)

-- name: begin_generation
UPDATE feeds SET generation = feed_new_generation(), history = feed_history() WHERE feed = $1

-- name: begin_generation_if_restored
UPDATE feeds SET generation = feed_new_generation(), history = feed_history() WHERE feed = $1 AND history <> feed_history()

-- name: waiting
-- What waits to be numbered; more than 10,000 are not counted.
SELECT last_seq, rows, coalesce(extract(epoch FROM clock_timestamp() - oldest), 0)::float8 AS age
FROM feeds, LATERAL (
    SELECT count(*) AS rows, min(written_at) AS oldest
    FROM (SELECT written_at FROM feed_incoming WHERE feed = $1 ORDER BY id LIMIT 10000) AS first_ones
) AS incoming
WHERE feed = $1
