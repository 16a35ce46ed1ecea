-- name: have_rows
SELECT key FROM work WHERE queue = $1 AND key = ANY($2::text[])

-- name: is_noted
-- The table is unlogged: after a crash of PostgreSQL it is empty, and with it this row of no key, which is there from the first note on.
SELECT EXISTS (SELECT FROM read_back_seen WHERE topic = $1 AND key = '')

-- name: forget_noted
DELETE FROM read_back_seen WHERE topic = $1 AND key = ''

-- name: note_versions
INSERT INTO read_back_seen AS seen (topic, key, version, highest)
SELECT $1, key, version, highest FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS new (key, version, highest) ORDER BY key
ON CONFLICT (topic, key) DO UPDATE SET version = excluded.version, highest = greatest(seen.highest, excluded.highest)

-- name: begin_page
CREATE TEMPORARY TABLE read_back (
    key text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    highest bigint NOT NULL DEFAULT 0,
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
    SELECT key FROM read_back_seen WHERE topic = $1 AND key > '' ORDER BY key LIMIT $2
), taken AS (
    DELETE FROM read_back_seen AS seen USING next WHERE seen.topic = $1 AND seen.key = next.key
    RETURNING seen.key, seen.version, seen.highest
)
INSERT INTO pg_temp.read_back (key, version, highest)
SELECT key, version, CASE WHEN version <> 0 THEN highest ELSE 0 END FROM taken -- what is buried is ahead of nothing
RETURNING key

-- name: ahead
SELECT key AS topic, (payload ->> 'ahead')::bigint AS ahead FROM work
WHERE queue = $1 AND key = ANY($2::text[]) AND payload ->> 'ahead' IS NOT NULL
