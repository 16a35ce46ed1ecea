-- name: lease
INSERT INTO read_backs AS known (topic, leased_by, leased_until) VALUES ($1, $2, now() + $3::interval)
ON CONFLICT (topic) DO UPDATE SET leased_by = excluded.leased_by, leased_until = excluded.leased_until
WHERE (known.leased_until < now() OR known.leased_by = excluded.leased_by) AND known.retry_at <= now()
    AND (known.began_at <= greatest(now() - $4::interval, known.asked_at)
        OR EXISTS (SELECT FROM read_back_passes AS going WHERE going.topic = known.topic))
RETURNING topic

-- name: renew
UPDATE read_backs SET leased_until = now() + $3::interval WHERE topic = $1 AND leased_by = $2 RETURNING topic

-- name: release
UPDATE read_backs SET leased_by = NULL, leased_until = '-infinity', retry_at = now() + $3::interval
WHERE topic = $1 AND leased_by = $2

-- name: begin_pass
INSERT INTO read_back_passes (topic) VALUES ($1) ON CONFLICT (topic) DO UPDATE SET topic = excluded.topic
RETURNING phase, positions, after, republished, ahead

-- name: note_versions
INSERT INTO read_back_seen (topic, key, version)
SELECT $1, key, version FROM unnest($2::text[], $3::bigint[]) AS new (key, version) ORDER BY key
ON CONFLICT (topic, key) DO UPDATE SET version = excluded.version

-- name: note_progress
UPDATE read_back_passes SET phase = $2, positions = $3, after = $4, republished = $5, ahead = $6 WHERE topic = $1

-- name: begin_page
CREATE TEMPORARY TABLE read_back (
    key text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    id uuid GENERATED ALWAYS AS (
        CASE WHEN key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN key::uuid END
    ) STORED
) ON COMMIT DROP

-- name: fill_page
INSERT INTO pg_temp.read_back (key, version)
SELECT wanted.key, coalesce(seen.version, 0) FROM unnest($2::text[]) AS wanted (key)
LEFT JOIN read_back_seen AS seen ON seen.topic = $1 AND seen.key = wanted.key

-- name: take_page
WITH next AS (
    SELECT key FROM read_back_seen WHERE topic = $1 ORDER BY key LIMIT $2
), taken AS (
    DELETE FROM read_back_seen AS seen USING next WHERE seen.topic = $1 AND seen.key = next.key
    RETURNING seen.key, seen.version
)
INSERT INTO pg_temp.read_back (key, version) SELECT key, version FROM taken
RETURNING key

-- name: end_pass
WITH over AS (DELETE FROM read_back_passes WHERE topic = $1 RETURNING topic, began_at)
UPDATE read_backs SET began_at = over.began_at, ahead = $2 FROM over WHERE read_backs.topic = over.topic

-- name: ahead
SELECT topic, ahead FROM read_backs WHERE topic = ANY($1::text[])

-- name: ask
INSERT INTO read_backs (topic, asked_at) SELECT topic, now() FROM unnest($1::text[]) AS topic ORDER BY topic
ON CONFLICT (topic) DO UPDATE SET asked_at = excluded.asked_at, retry_at = '-infinity'

-- name: doubt
UPDATE read_backs SET asked_at = now() WHERE topic = ANY($1::text[]) AND began_at < now() - $2::interval
