-- name: employers_untold
-- Who has pools, and no row of work to be told of them; nor has who was set aside, since no later tick waits for an operator.
-- From one employer to the next by the index, however many pools each has.
WITH RECURSIVE employers AS (
    (SELECT employer FROM pools WHERE criteria IS NOT NULL AND employer > $1 ORDER BY employer LIMIT 1)
    UNION ALL
    SELECT (SELECT employer FROM pools WHERE criteria IS NOT NULL AND employer > before.employer ORDER BY employer LIMIT 1)
    FROM employers AS before WHERE before.employer IS NOT NULL
)
SELECT employer FROM employers
WHERE employer IS NOT NULL
  AND NOT EXISTS (SELECT FROM work WHERE queue = 'tellings' AND key = employers.employer AND set_aside_at IS NULL)
LIMIT $2

-- name: next_listing
-- Of the employer's pools that everybody was held against, as they ask now, and that are to be told, the one after so many; what was begun goes first.
WITH theirs AS (
    SELECT pool, true AS in_force FROM pools WHERE employer = $1 AND criteria IS NOT NULL
    UNION SELECT pool, EXISTS (SELECT FROM pools WHERE pools.pool = listings.pool AND criteria IS NOT NULL)
    FROM listings WHERE employer = $1
), due AS (
    SELECT pool, NOT coalesce(is_unfinished, false) AS is_later
    FROM theirs JOIN evaluations USING (pool) JOIN pools USING (pool) LEFT JOIN listings USING (pool)
    WHERE done AND (is_unfinished OR NOT in_force
        OR evaluations.version >= criteria_version AND (told_at IS NULL OR told_at < $2 OR made_for < evaluations.version))
)
SELECT pool FROM due ORDER BY is_later, pool
OFFSET $3::bigint % greatest(1, (SELECT count(*) FROM due)) LIMIT 1

-- name: has_pools
SELECT EXISTS (SELECT FROM pools WHERE employer = $1 AND criteria IS NOT NULL) OR EXISTS (SELECT FROM listings WHERE employer = $1)

-- name: make_listing
-- Of a pool that a process of the release before has made.
INSERT INTO listings (pool, employer) SELECT pool, employer FROM pools WHERE pool = $1 AND criteria IS NOT NULL ON CONFLICT DO NOTHING

-- name: read_listing
SELECT listings.pool, listings.employer, state, told_at, is_unfinished, criteria IS NOT NULL AS in_force, made_for,
    CASE WHEN done AND evaluations.version >= criteria_version THEN evaluations.version END AS version
FROM listings JOIN pools USING (pool) LEFT JOIN evaluations ON evaluations.pool = listings.pool
WHERE listings.pool = $1

-- name: hold_listing
-- Those who leave wait for it, and it for them (`leave_listed`): so from here on a process that falls silent has no more time for it
-- than any other transaction (`decide_in_peace`).
SELECT told_at, made_for, is_unfinished, set_config('idle_in_transaction_session_timeout', $2, true)
FROM listings WHERE pool = $1 FOR UPDATE

-- name: decide_alone
-- Whoever is seen from here on was written by a transaction that ends after this, or before that was read.
SELECT pg_current_snapshot()::text FROM pg_advisory_xact_lock($1, hashtext($2))

-- name: listing_standing
SELECT told_at, made_for, is_unfinished FROM listings WHERE pool = $1

-- name: listing_standings
-- Whoever fits as of a time, or is listed already: then they have fitted since before it. Whom the employer introduced itself, or a
-- vendor that held its seat after $3, does not count.
SELECT memberships.candidate, memberships.member_ref, memberships.shown AS fits,
    NOT EXISTS (SELECT FROM brought_along WHERE brought_along.candidate = memberships.candidate
        AND brought_along.employer = memberships.employer AND until > $3) AS fits_counts,
    listed.member_ref AS listed_ref, listed.renewed_ref, listed.since, listed.counts, listed.fit, listed.shown,
    memberships.generation
FROM memberships LEFT JOIN listed ON listed.pool = $1 AND listed.candidate = memberships.candidate
WHERE memberships.pool = $1 AND (listed.candidate IS NOT NULL
      OR memberships.fits_since <= $2 AND memberships.generation IS NOT NULL)

-- name: decide_in_peace
SET LOCAL idle_in_transaction_session_timeout = '10min'

-- name: listed_who_left
SELECT member_ref, since, counts FROM listed WHERE pool = $1 AND candidate IS NULL

-- name: list_left
DELETE FROM listed WHERE pool = $1 AND member_ref = ANY($2::text[])

-- name: list_changed
-- What an employer could not read of them before is noted with it.
WITH new AS MATERIALIZED (
    SELECT candidate, counts, fit::jsonb, shown::jsonb
    FROM unnest($2::text[], $3::boolean[], $4::text[], $5::text[]) AS one (candidate, counts, fit, shown)
), untold AS (
    SELECT candidate, new.shown FROM new JOIN listed USING (candidate)
    WHERE listed.pool = $1 AND NOT coalesce(listed.noted @> new.shown, false)
), noting AS (
    INSERT INTO disclosures (candidate, employer, pool, at, fields, member_since, memberships)
    SELECT candidate, memberships.employer, $1, $6, ARRAY(
            SELECT key FROM jsonb_each(untold.shown) WHERE value NOT IN ('null', '[]') ORDER BY key
        ), memberships.since, persons.version
    FROM untold JOIN memberships USING (candidate) JOIN persons USING (candidate) WHERE memberships.pool = $1
)
UPDATE listed SET counts = new.counts, fit = new.fit, shown = new.shown,
    noted = CASE WHEN listed.noted @> new.shown THEN listed.noted ELSE new.shown END
FROM new WHERE listed.pool = $1 AND listed.candidate = new.candidate
RETURNING listed.candidate

-- name: list_joined
-- But for those who have left meanwhile, though not for those of whom another key made another ref. What an employer could not read
-- of them before is noted with it; `told` is what it could, of whom another ref was listed until now. Many show the same: $6 has each
-- value once, and the rows say which of them. Person by person by the index: whatever PostgreSQL knows of how many there are, it does
-- not read all of the pool for a page.
WITH faces AS MATERIALIZED (
    SELECT place, face::jsonb, ARRAY(
            SELECT key FROM jsonb_each(face::jsonb) WHERE value NOT IN ('null', '[]') ORDER BY key
        ) AS fields
    FROM unnest($6::text[]) WITH ORDINALITY AS one (face, place)
), there AS MATERIALIZED (
    SELECT new.candidate, new.member_ref, new.since::date, new.counts::boolean, fits.face AS fit, shows.face AS shown, shows.fields, told.face AS told,
        member.employer, member.since AS member_since, member.version, nullif(member.member_ref, new.member_ref) AS renewed_ref
    FROM unnest(string_to_array($2::text, E'\x1f'), string_to_array($3::text, E'\x1f'), string_to_array($4::text, E'\x1f'),
            string_to_array($5::text, E'\x1f'), string_to_array($7::text, E'\x1f'), string_to_array($8::text, E'\x1f'),
            string_to_array($9::text, E'\x1f', ''), string_to_array($10::text, E'\x1f'))
        AS new (candidate, member_ref, since, counts, fit, shown, told, generation)
    JOIN faces AS fits ON fits.place = new.fit::integer JOIN faces AS shows ON shows.place = new.shown::integer
    LEFT JOIN faces AS told ON told.place = new.told::integer
    CROSS JOIN LATERAL (
        SELECT employer, memberships.since, version, member_ref FROM memberships JOIN persons USING (candidate)
        WHERE memberships.candidate = new.candidate AND pool = $1
          AND (member_ref = new.member_ref OR memberships.generation = new.generation::bigint) OFFSET 0
    ) AS member
), noting AS (
    INSERT INTO disclosures (candidate, employer, pool, at, fields, member_since, memberships)
    SELECT candidate, employer, $1, $11, fields, member_since, version FROM there WHERE NOT coalesce(told @> shown, false)
)
INSERT INTO listed (pool, candidate, member_ref, since, counts, fit, shown, noted, renewed_ref)
SELECT $1, candidate, member_ref, since, counts, fit, shown, CASE WHEN told @> shown THEN told ELSE shown END, renewed_ref FROM there
RETURNING member_ref

-- name: listed_otherwise
-- Of those who were listed while nobody held the listing, who has left, or has another ref by now; and whose membership was
-- committed since $2 was taken: they may have left, and have come again under the same ref. By the transactions that ran then, not by the
-- oldest of them: that may be anybody's, and everybody of a new pool has been written since.
SELECT listed.candidate, memberships.member_ref, memberships.generation,
    memberships.member_ref IS NOT DISTINCT FROM coalesce(listed.renewed_ref, listed.member_ref) AS is_as_listed
FROM listed LEFT JOIN memberships ON memberships.candidate = listed.candidate AND memberships.pool = $1
WHERE listed.pool = $1 AND listed.candidate IS NOT NULL
  AND (memberships.member_ref IS DISTINCT FROM coalesce(listed.renewed_ref, listed.member_ref)
       OR age(memberships.xmin) <= (SELECT age(pg_snapshot_xmax($2::text::pg_snapshot)::xid))
       OR memberships.xmin = ANY(ARRAY(SELECT pg_snapshot_xip($2::text::pg_snapshot)::xid)))

-- name: take_off_who_left
-- As `leave_listed` does of who leaves later, and as `renew_refs`. What this transaction noted of who left, nobody could read; of who may
-- have left and come again ($5) it says as which member they can be read.
WITH unsaid AS (
    DELETE FROM disclosures WHERE candidate = ANY($2::text[]) AND pool = $1 AND xmin = pg_current_xact_id()::xid
), noted AS (
    UPDATE disclosures SET member_since = memberships.since, memberships = persons.version
    FROM memberships JOIN persons USING (candidate)
    WHERE disclosures.candidate = ANY($5::text[]) AND disclosures.pool = $1 AND disclosures.xmin = pg_current_xact_id()::xid
      AND memberships.candidate = disclosures.candidate AND memberships.pool = $1
      AND (disclosures.member_since, disclosures.memberships) IS DISTINCT FROM (memberships.since, persons.version)
), renewed AS (
    UPDATE listed SET renewed_ref = nullif(new.member_ref, listed.member_ref)
    FROM unnest($3::text[], $4::text[]) AS new (candidate, member_ref) WHERE listed.pool = $1 AND listed.candidate = new.candidate
)
UPDATE listed SET candidate = NULL, fit = NULL, shown = NULL, noted = NULL, renewed_ref = NULL
WHERE pool = $1 AND candidate = ANY($2::text[])

-- name: keep_listing
-- Whether the pool still asks what was decided. Its row is the last that is locked, until the commit: whoever changes a pool has
-- all employers wait meanwhile.
WITH asked AS MATERIALIZED (
    SELECT FROM pools WHERE pool = $1 AND criteria IS NOT NULL AND criteria_version <= $4 FOR SHARE
)
UPDATE listings SET state = $2, told_at = $3, made_for = $4, is_unfinished = $5,
    size = (SELECT count(*) FROM listed WHERE listed.pool = $1 AND telling IS DISTINCT FROM 'left')
WHERE pool = $1
RETURNING EXISTS (SELECT FROM asked)

-- name: take_untold
-- What a release before December 2026 decided and did not come to tell: it noted on each row what the feed was about to say.
WITH page AS MATERIALIZED (
    SELECT id, member_ref, telling FROM listed WHERE pool = $1 AND telling IS NOT NULL ORDER BY member_ref, id LIMIT $2
), gone AS (
    DELETE FROM listed USING page WHERE listed.id = page.id AND page.telling = 'left'
), told AS (
    UPDATE listed SET telling = NULL FROM page WHERE listed.id = page.id AND page.telling <> 'left'
)
SELECT member_ref, telling FROM page ORDER BY member_ref, id

-- name: clear_listed
-- Who was there is shown no more.
WITH gone AS (
    DELETE FROM listed WHERE id IN (SELECT id FROM listed WHERE pool = $1 ORDER BY member_ref LIMIT $2) RETURNING candidate
), noting AS (
    INSERT INTO disclosures (candidate, employer, pool, at)
    SELECT candidate, employer, $1, $3 FROM gone CROSS JOIN listings WHERE listings.pool = $1 AND candidate IS NOT NULL
)
SELECT count(*) FROM gone

-- name: take_disclosures
-- Of whoever was erased meanwhile nothing is said. By their place on disk, which no row changes: planned by their ids, all that waits
-- may be read for each page of it. Locked by their ids first, as `forget_more` does: else each may wait for the other.
WITH taken AS (
    DELETE FROM disclosures WHERE ctid = ANY(ARRAY(SELECT ctid FROM disclosures ORDER BY id LIMIT $1 FOR UPDATE))
    RETURNING id, candidate, employer, pool, at, fields, member_since, memberships
)
SELECT taken.*, coalesce(profile_version < 9223372036854775807, false) AS is_known
FROM taken LEFT JOIN persons USING (candidate) ORDER BY id

-- name: drop_listing
DELETE FROM listings WHERE pool = $1

-- name: list_members
-- Nobody, where the listing is not open or those who count are fewer than $4.
SELECT member_ref, since, shown FROM listed
WHERE pool = $1 AND member_ref > $2 AND candidate IS NOT NULL
  AND EXISTS (SELECT FROM listings WHERE listings.pool = $1 AND state = 'open')
  AND (SELECT count(*) FROM (SELECT FROM listed WHERE pool = $1 AND counts AND candidate IS NOT NULL LIMIT $4) AS enough) = $4
ORDER BY member_ref LIMIT $3

-- name: all_told
SELECT NOT EXISTS (SELECT FROM listings WHERE employer = $1 AND is_unfinished)
