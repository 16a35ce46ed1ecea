-- part: disclosure
disclosures.employer, disclosures.pool, disclosures.at, disclosures.fields, disclosures.way, disclosures.member_since,
    disclosures.ended_at

-- name: hold_people
-- In the order of their ids: whoever writes of the same people waits.
SELECT candidate, closed_at FROM consents WHERE candidate = ANY($1::text[]) ORDER BY candidate FOR NO KEY UPDATE

-- name: note_disclosures
-- Of a stay in a pool that is known to be over, when that was heard of.
INSERT INTO disclosures (candidate, at, pool, employer, fields, way, member_since, memberships, ended_at)
SELECT candidate, at, pool, employer, string_to_array(fields, ' '), way, member_since, memberships, (
    SELECT greatest(present.at, new.at) FROM memberships AS present
    WHERE present.candidate = new.candidate AND present.version >= new.memberships AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(present.pools) AS stay (pool text, since timestamptz)
        WHERE stay.pool = new.pool AND stay.since = new.member_since
    )
)
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::bigint[])
    AS new (candidate, at, pool, employer, fields, way, member_since, memberships)
ON CONFLICT DO NOTHING

-- name: end_disclosures
UPDATE disclosures SET ended_at = new.at
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS new (candidate, pool, at)
WHERE disclosures.candidate = new.candidate AND disclosures.pool = new.pool AND disclosures.at <= new.at AND ended_at IS NULL

-- name: note_memberships
-- What an employer could read ends with the stay in its pool, if the list is not older than that.
WITH written AS (
    INSERT INTO memberships (candidate, version, at, pools)
    SELECT candidate, version, at, pools::jsonb
    FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[]) AS new (candidate, version, at, pools)
    ORDER BY candidate
    ON CONFLICT (candidate) DO UPDATE SET version = excluded.version, at = excluded.at, pools = excluded.pools
    WHERE memberships.version < excluded.version
    RETURNING candidate, version, at, pools
)
UPDATE disclosures SET ended_at = greatest(written.at, disclosures.at)
FROM written
WHERE disclosures.candidate = written.candidate AND ended_at IS NULL AND disclosures.memberships <= written.version
    AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(written.pools) AS stay (pool text, since timestamptz)
        WHERE stay.pool = disclosures.pool AND stay.since = disclosures.member_since
    )

-- name: note_pools
INSERT INTO pools (pool, version, employer, criteria, removed_at)
SELECT pool, version, employer, criteria::jsonb, CASE WHEN criteria IS NULL THEN $5::timestamptz END
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS new (pool, version, employer, criteria) ORDER BY pool
ON CONFLICT (pool) DO UPDATE SET
    version = excluded.version, employer = excluded.employer, criteria = coalesce(excluded.criteria, pools.criteria),
    removed_at = excluded.removed_at
WHERE pools.version < excluded.version

-- name: read_memberships
SELECT pools FROM memberships WHERE candidate = $1

-- name: disclosures_in_force
SELECT :disclosure FROM disclosures WHERE candidate = $1 AND ended_at IS NULL

-- name: disclosures
-- The latest first, from behind a place on.
SELECT :disclosure FROM disclosures WHERE candidate = $1 AND (at, pool) < ($2, $3) ORDER BY at DESC, pool DESC LIMIT $4

-- name: pools_asked
SELECT pool, criteria FROM pools WHERE pool = ANY($1::text[])

-- name: forget_disclosures
DELETE FROM disclosures WHERE (candidate, at, pool) IN (
    SELECT candidate, at, pool FROM disclosures WHERE ended_at < $1 ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
)

-- name: forget_pools
DELETE FROM pools WHERE pool IN (
    SELECT pool FROM pools WHERE removed_at < $1 ORDER BY removed_at LIMIT $2 FOR UPDATE SKIP LOCKED
)

-- name: forget_told
WITH stays AS (DELETE FROM memberships WHERE candidate = ANY($1::text[]))
DELETE FROM disclosures WHERE candidate = ANY($1::text[])
