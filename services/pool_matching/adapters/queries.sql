-- name: hold_pools
SELECT pg_advisory_xact_lock_shared($1)

-- name: wait_for_batches
SELECT pg_advisory_xact_lock($1)

-- name: lock_known
-- All of these $2 people, or nobody: where somebody is not known yet, no row is locked out of turn before `make_known`.
SELECT candidate, profile_version, profile, consent_version, consent, version, due_at, generation
FROM persons WHERE candidate = ANY(string_to_array($1::text, E'\x1f'))
    AND (SELECT count(*) FROM persons WHERE candidate = ANY(string_to_array($1::text, E'\x1f'))) = $2
ORDER BY candidate FOR UPDATE

-- name: make_known
-- Whoever is known is locked as well, in the one order, as by `erase`: that alone is what the update is for.
INSERT INTO persons (candidate)
SELECT candidate FROM unnest(string_to_array($1::text, E'\x1f')) AS candidate ORDER BY candidate COLLATE "C"
ON CONFLICT (candidate) DO UPDATE SET candidate = excluded.candidate
RETURNING candidate, profile_version, profile, consent_version, consent, version, due_at, generation

-- name: note_profiles
-- Of locked people, with what was decided of them since. All parts see the rows as they were before.
WITH written AS (
    UPDATE persons
    SET profile_version = new.profile_version::bigint, profile = new.profile::jsonb, since = $8,
        reach = coalesce(string_to_array(new.reach, ','), '{}'), state = new.state,
        version = new.version::bigint, due_at = new.due_at::timestamptz
    FROM unnest(string_to_array($1::text, E'\x1f'), string_to_array($2::text, E'\x1f'), string_to_array($3::text, E'\x1f', ''),
            string_to_array($4::text, E'\x1f'), string_to_array($5::text, E'\x1f', ''), string_to_array($6::text, E'\x1f'),
            string_to_array($7::text, E'\x1f', ''))
        AS new (candidate, profile_version, profile, reach, state, version, due_at)
    WHERE persons.candidate = new.candidate AND persons.profile_version < new.profile_version::bigint
    RETURNING persons.candidate, persons.profile IS NOT NULL AS may_be_found
), kept AS (
    INSERT INTO persons_before (candidate, valid_from, valid_until, profile, consent)
    SELECT candidate, since, $8, profile, consent FROM persons JOIN written USING (candidate)
    WHERE may_be_found AND since < $8 AND profile IS NOT NULL AND (consent -> 'match')::boolean
    ON CONFLICT DO NOTHING
), gone AS (
    DELETE FROM persons_before USING written WHERE persons_before.candidate = written.candidate AND NOT may_be_found
)
SELECT count(*) FROM written

-- name: note_consents
-- Of locked people. What is not taken is a yes by a link from before a no. Of an older version only its no is kept, and done.
WITH new AS (
    SELECT candidate, version, consent::jsonb, lifts_no_until, no_at, withdrawn
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[])
        AS new (candidate, version, consent, lifts_no_until, no_at, withdrawn)
), written AS (
    UPDATE persons
    SET consent_version = greatest(persons.consent_version, new.version),
        consent = CASE WHEN persons.consent_version < new.version THEN new.consent
            WHEN (new.consent -> 'match')::boolean OR new.no_at <= coalesce(persons.consent_lifts_no_until, '-infinity')
            THEN persons.consent ELSE jsonb_set(persons.consent, '{match}', 'false') END,
        consent_lifts_no_until = CASE WHEN persons.consent_version < new.version THEN new.lifts_no_until
            ELSE persons.consent_lifts_no_until END,
        consent_no_at = greatest(persons.consent_no_at, new.no_at), since = $7,
        generation = persons.generation + (coalesce((persons.consent -> 'match')::boolean, false)
            AND CASE WHEN persons.consent_version < new.version
                THEN NOT (new.consent -> 'match')::boolean OR coalesce(new.withdrawn, 0) > persons.consent_version
                    OR coalesce((persons.consent ->> 'ends_at')::timestamptz <= $7, false)
                    OR (coalesce((new.consent ->> 'paused_until')::timestamptz > $7, false)
                        AND coalesce((persons.consent ->> 'paused_until')::timestamptz <= $7, true))
                ELSE NOT (new.consent -> 'match')::boolean AND new.no_at > coalesce(persons.consent_lifts_no_until, '-infinity')
            END)::integer
    FROM new
    WHERE persons.candidate = new.candidate AND persons.consent_version < 9223372036854775807 -- of whoever was erased
      AND CASE WHEN persons.consent_version < new.version
          THEN coalesce((persons.consent -> 'match')::boolean, false) OR NOT (new.consent -> 'match')::boolean
              OR persons.consent_no_at IS NULL OR new.lifts_no_until >= persons.consent_no_at
          ELSE new.no_at > coalesce(persons.consent_no_at, '-infinity')
              OR (persons.consent -> 'match')::boolean AND NOT (new.consent -> 'match')::boolean
                  AND new.no_at > coalesce(persons.consent_lifts_no_until, '-infinity')
      END
    RETURNING persons.candidate, persons.consent_version, persons.consent, persons.generation, (persons.consent -> 'match')::boolean AS may_be_found
), kept AS ( -- as in `note_profiles`
    INSERT INTO persons_before (candidate, valid_from, valid_until, profile, consent)
    SELECT candidate, since, $7, profile, persons.consent FROM persons JOIN written USING (candidate)
    WHERE may_be_found AND since < $7 AND profile IS NOT NULL AND (persons.consent -> 'match')::boolean
    ON CONFLICT DO NOTHING
), gone AS (
    DELETE FROM persons_before USING written WHERE persons_before.candidate = written.candidate AND NOT may_be_found
)
SELECT new.candidate, written.candidate IS NOT NULL AS taken, written.consent_version, written.consent, written.generation
FROM new JOIN persons USING (candidate) LEFT JOIN written USING (candidate)
WHERE persons.consent_version < new.version OR written.candidate IS NOT NULL

-- name: erase
INSERT INTO persons (candidate, profile_version, consent_version)
SELECT candidate, 9223372036854775807, 9223372036854775807 FROM unnest($1::text[]) AS candidate ORDER BY candidate COLLATE "C"
ON CONFLICT (candidate) DO UPDATE SET
    profile_version = excluded.profile_version, profile = NULL, reach = '{}', state = NULL,
    consent_version = excluded.consent_version, consent = NULL, consent_no_at = NULL, consent_lifts_no_until = NULL,
    generation = 0, since = DEFAULT, confirmed_at = NULL
WHERE persons.profile_version < excluded.profile_version OR persons.consent_version < excluded.consent_version
RETURNING candidate

-- name: begin_erasure
SELECT pg_advisory_xact_lock($1)

-- name: forget_earlier
DELETE FROM persons_before WHERE (candidate, valid_until) IN (
    SELECT candidate, valid_until FROM persons_before WHERE valid_until < $1 ORDER BY valid_until LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING candidate

-- name: changed_since
-- Of these people those who have changed since, and how they were then; nothing of who could not be found.
SELECT persons.candidate, persons_before.profile, persons_before.consent
FROM persons LEFT JOIN persons_before
    ON persons_before.candidate = persons.candidate AND valid_from <= $2 AND valid_until > $2
WHERE persons.candidate = ANY(string_to_array($1::text, E'\x1f')) AND since > $2

-- name: forget_more
-- Once `erase` holds their rows and they have left their pools: what a batch or a list before it kept is seen.
-- What is still to be said goes in the order in which it is said (`take_disclosures`): else each may wait for the other.
WITH earlier AS (
    DELETE FROM persons_before WHERE candidate = ANY($1::text[])
), unsaid AS (
    DELETE FROM disclosures WHERE ctid = ANY(ARRAY(SELECT ctid FROM disclosures WHERE candidate = ANY($1::text[]) ORDER BY id FOR UPDATE))
)
DELETE FROM introductions WHERE candidate = ANY($1::text[])

-- name: erased_and_known
SELECT key AS candidate FROM pg_temp.read_back LEFT JOIN persons ON candidate = key
WHERE read_back.version <> 0 AND (profile_version IS NULL OR profile_version < $2 OR consent_version < $2)
ORDER BY key COLLATE "C" LIMIT $1

-- name: overdue
SELECT candidate FROM persons
WHERE due_at <= $1 AND NOT EXISTS (SELECT FROM work WHERE queue = 'overdue' AND key = persons.candidate)
ORDER BY due_at LIMIT $2

-- name: take_overdue
SELECT candidate FROM persons WHERE candidate = ANY($2::text[]) AND due_at <= $1 ORDER BY candidate FOR UPDATE

-- name: read_persons
SELECT candidate, profile_version, profile, consent_version, consent, version, due_at, generation
FROM persons WHERE candidate = ANY(string_to_array($1::text, E'\x1f')) ORDER BY candidate FOR UPDATE

-- name: read_memberships
-- Of each person in the order of the pools. One after the other by the index: whatever PostgreSQL knows of how many there are, it does
-- not read the whole table for a batch.
SELECT theirs.* FROM unnest(string_to_array($1::text, E'\x1f')) AS one (candidate) CROSS JOIN LATERAL (
    SELECT candidate, pool, employer, since, shown, generation, fits_since
    FROM memberships WHERE memberships.candidate = one.candidate ORDER BY pool OFFSET 0
) AS theirs

-- name: pools_changed_since
-- Whoever changed several at once gave them one number: a page does not end among them.
SELECT pool, employer, version, name, criteria, change FROM pools WHERE change > $1
ORDER BY change FETCH FIRST $2 ROWS WITH TIES

-- name: leave
DELETE FROM memberships USING unnest(string_to_array($1::text, E'\x1f'), string_to_array($2::text, E'\x1f')) AS gone (candidate, pool)
WHERE memberships.candidate = gone.candidate AND memberships.pool = gone.pool

-- name: join
-- Moments are few: $9 has each once, and the rows say which of them.
INSERT INTO memberships (candidate, pool, employer, member_ref, since, shown, generation, fits_since, ref_key)
SELECT candidate, pool, employer, member_ref, ($9::timestamptz[])[since::integer], shown::jsonb, generation::bigint,
    ($9::timestamptz[])[fits_since::integer], $10
FROM unnest(string_to_array($1::text, E'\x1f'), string_to_array($2::text, E'\x1f'), string_to_array($3::text, E'\x1f'),
        string_to_array($4::text, E'\x1f'), string_to_array($5::text, E'\x1f'), string_to_array($6::text, E'\x1f'),
        string_to_array($7::text, E'\x1f'), string_to_array($8::text, E'\x1f'))
    AS new (candidate, pool, employer, member_ref, since, shown, generation, fits_since)

-- name: note_fits
UPDATE memberships SET fits_since = new.fits_since FROM unnest($2::text[], $3::timestamptz[]) AS new (candidate, fits_since)
WHERE memberships.pool = $1 AND memberships.candidate = new.candidate

-- name: with_older_refs
-- Of any other key, or older than the column.
WITH others AS (
    (SELECT candidate, pool FROM memberships WHERE ref_key < $2 LIMIT $1)
    UNION ALL (SELECT candidate, pool FROM memberships WHERE ref_key > $2 LIMIT $1)
    UNION ALL (SELECT candidate, pool FROM memberships WHERE ref_key IS NULL LIMIT $1)
)
SELECT candidate, pool, memberships.employer, coalesce(memberships.generation, persons.generation)
FROM others JOIN memberships USING (candidate, pool) JOIN persons USING (candidate)
LIMIT $1 FOR UPDATE OF memberships SKIP LOCKED

-- name: hold_listings
-- In a statement of its own: what whoever held them listed is seen by the next.
SELECT FROM listings WHERE pool = ANY($1::text[]) ORDER BY pool FOR SHARE

-- name: renew_refs
-- Who is listed stays listed: the list says at the next tick under which ref.
WITH new AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS one (candidate, pool, member_ref, generation)
), renewed AS (
    UPDATE memberships SET member_ref = new.member_ref, generation = new.generation, ref_key = $5
    FROM new WHERE memberships.candidate = new.candidate AND memberships.pool = new.pool
)
UPDATE listed SET renewed_ref = nullif(new.member_ref, listed.member_ref)
FROM new WHERE listed.candidate = new.candidate AND listed.pool = new.pool

-- name: under_ref_keys
SELECT coalesce(ref_key, ''::bytea) AS key, count(*) FROM (
    (SELECT ref_key FROM memberships WHERE ref_key < $1 LIMIT $2)
    UNION ALL (SELECT ref_key FROM memberships WHERE ref_key > $1 LIMIT $2)
    UNION ALL (SELECT ref_key FROM memberships WHERE ref_key IS NULL LIMIT $2)
) AS others GROUP BY ref_key

-- name: show
UPDATE memberships SET shown = new.shown::jsonb
FROM unnest(string_to_array($1::text, E'\x1f'), string_to_array($2::text, E'\x1f'), string_to_array($3::text, E'\x1f'))
    AS new (candidate, pool, shown)
WHERE memberships.candidate = new.candidate AND memberships.pool = new.pool

-- name: settle
UPDATE persons SET version = new.version::bigint, due_at = new.due_at::timestamptz
FROM unnest(string_to_array($1::text, E'\x1f'), string_to_array($2::text, E'\x1f'), string_to_array($3::text, E'\x1f', ''))
    AS new (candidate, version, due_at)
WHERE persons.candidate = new.candidate

-- name: open_evaluations
-- What is asked anew while it waits keeps its turn; everything else goes behind what its employer has waiting. Of the version that
-- asks for it, so a new name alone opens nothing.
INSERT INTO evaluations (pool, version, employer, turn)
SELECT pool, criteria_version, employer,
    coalesce((SELECT max(turn) FROM evaluations AS own WHERE own.employer = pools.employer AND NOT own.done), 0)
        + row_number() OVER (PARTITION BY employer ORDER BY pool)
FROM pools WHERE pool = ANY($1::text[]) ORDER BY pool
ON CONFLICT (pool) DO UPDATE SET
    version = excluded.version, employer = excluded.employer, after_candidate = NULL, done = false,
    turn = CASE WHEN evaluations.done THEN excluded.turn ELSE evaluations.turn END,
    asked = CASE WHEN evaluations.done THEN excluded.asked ELSE evaluations.asked END
WHERE evaluations.version < excluded.version
RETURNING employer

-- name: employers_waiting
-- Who has pools that wait, and no row of work for them; nor has who was set aside an hour ago, since what a step failed for may be gone,
-- and all of the employer's pools wait for it.
SELECT DISTINCT employer FROM evaluations
WHERE NOT done AND employer > $1
  AND NOT EXISTS (SELECT FROM work WHERE queue = 'evaluations' AND key = evaluations.employer
    AND (set_aside_at IS NULL OR set_aside_at > $3::timestamptz - interval '1 hour'))
ORDER BY employer LIMIT $2

-- name: next_turn
-- Of the employer's pools that wait, in their turns, the one after so many; its turn is used up.
UPDATE evaluations AS taken
SET turn = 1 + (SELECT max(turn) FROM evaluations AS own WHERE own.employer = $1 AND NOT own.done)
WHERE taken.pool = (
    SELECT pool FROM evaluations WHERE employer = $1 AND NOT done ORDER BY turn, asked
    OFFSET $2::bigint % greatest(1, (SELECT count(*) FROM evaluations WHERE employer = $1 AND NOT done)) LIMIT 1
)
RETURNING taken.pool

-- name: has_waiting
SELECT EXISTS (SELECT FROM evaluations WHERE employer = $1 AND NOT done)

-- name: take_evaluation
SELECT pool, evaluations.version AS evaluated, after_candidate, pools.employer, pools.version, name, criteria
FROM evaluations JOIN pools USING (pool) WHERE pool = $1 AND NOT done FOR UPDATE OF evaluations SKIP LOCKED

-- name: move_evaluation
UPDATE evaluations SET after_candidate = $2 WHERE pool = $1

-- name: end_evaluation
UPDATE evaluations SET done = true FROM pools WHERE evaluations.pool = $1 AND pools.pool = $1 RETURNING pools.employer

-- name: concerned_by_pool
-- Among the next $6 people alone: a step for a pool that few fit looks at no more of them, however many there are. `upto` is whom it got
-- to, null at the end. People are looked at once, one after the other (`next` is filled as far as it is read): where enough are found
-- early, the others are not looked at.
WITH next AS MATERIALIZED (
    SELECT candidate, profile IS NOT NULL AND (cardinality($3::text[]) = 0 OR reach && $3)
        AND (cardinality($4::text[]) = 0 OR state = ANY($4)) AS may_fit
    FROM persons WHERE candidate > $2 ORDER BY candidate LIMIT $6
), fitting AS MATERIALIZED (
    SELECT candidate FROM next WHERE may_fit LIMIT $5
), reached AS MATERIALIZED (
    SELECT CASE WHEN (SELECT count(*) FROM fitting) = $5 THEN (SELECT max(candidate) FROM fitting)
        ELSE (SELECT candidate FROM next OFFSET $6::bigint - 1 LIMIT 1) END AS upto
), found AS (
    SELECT candidate FROM fitting
    UNION
    (SELECT candidate FROM memberships
     WHERE pool = $1 AND candidate > $2 AND candidate <= coalesce((SELECT upto FROM reached), chr(1114111)) -- behind every id
     ORDER BY candidate LIMIT $5)
    ORDER BY candidate LIMIT $5
)
SELECT found.candidate, upto FROM reached LEFT JOIN found ON true ORDER BY found.candidate

-- name: members_after
SELECT candidate FROM memberships WHERE pool = $1 AND candidate > $2 ORDER BY candidate LIMIT $3

-- name: next_change
-- And the pool that is to be changed is locked before it is read: whoever lists people in it is over then (`keep_listing`).
WITH changing AS MATERIALIZED (
    SELECT FROM pools WHERE pool = $1 FOR NO KEY UPDATE
)
UPDATE pool_changes SET last_change = last_change + 1 RETURNING last_change, (SELECT count(*) FROM changing)

-- name: count_pools
SELECT count(*) FROM pools WHERE employer = $1 AND criteria IS NOT NULL

-- name: list_pools
-- Members as the pool's listing has them, but for those who left since; none, where it is not open or fewer than $3 count.
SELECT pools.pool, pools.employer, version, name, criteria, created_at, coalesce(done AND evaluated >= criteria_version, false) AS ready,
    CASE WHEN state = 'open'
          AND (SELECT count(*) FROM (SELECT FROM listed WHERE listed.pool = pools.pool AND counts AND candidate IS NOT NULL LIMIT $3) AS enough) = $3
        THEN size - (SELECT count(*) FROM listed
            WHERE listed.pool = pools.pool AND candidate IS NULL AND telling IS DISTINCT FROM 'left') END AS members,
    coalesce(state, 'new') <> 'new' AS was_listed,
    coalesce(done AND evaluated >= criteria_version AND made_for >= evaluated, false) AS is_decided
FROM pools LEFT JOIN (SELECT pool, version AS evaluated, done FROM evaluations) AS evaluation USING (pool)
LEFT JOIN listings ON listings.pool = pools.pool
WHERE pools.employer = $1 AND criteria IS NOT NULL AND ($2::text IS NULL OR pools.pool = $2)
ORDER BY created_at, pools.pool

-- name: pools_of_any
SELECT pool, employer, version, name, criteria FROM pools
WHERE employer = ANY($1::text[]) AND criteria IS NOT NULL LIMIT $2

-- name: write_pool
-- With a new pool its listing: whoever leaves the pool finds it.
WITH written AS (
    INSERT INTO pools (pool, employer, version, name, criteria, created_at, change, asks, asks_since, asks_as_of)
    VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8, $3, $3)
    ON CONFLICT (pool) DO UPDATE SET
        version = excluded.version, name = excluded.name, criteria = excluded.criteria, change = excluded.change,
        asks = excluded.asks, asks_as_of = excluded.version,
        asks_since = CASE WHEN pools.asks_as_of = pools.version AND pools.asks = excluded.asks
            THEN pools.asks_since ELSE excluded.version END
    RETURNING pool, employer
)
INSERT INTO listings (pool, employer) SELECT pool, employer FROM written
WHERE $5 IS NOT NULL AND NOT EXISTS (SELECT FROM listings WHERE pool = $1) -- the conflict alone would wait for who writes the listing
ON CONFLICT DO NOTHING

-- name: made_by
SELECT pool, body_digest FROM pools_made WHERE employer = $1 AND key_digest = $2

-- name: note_made
INSERT INTO pools_made (employer, key_digest, body_digest, pool) VALUES ($1, $2, $3, $4)

-- name: use_change
-- $3: what one change takes of $4, the time in which all may be used. A clock that was ahead shuts nobody out for longer.
INSERT INTO changes_used AS known (employer, used_until) VALUES ($1, $2::timestamptz + $3::interval)
ON CONFLICT (employer) DO UPDATE
SET used_until = greatest($2, least(known.used_until, $2 + $4::interval)) + $3
WHERE least(known.used_until, $2 + $4) + $3 <= $2 + $4
RETURNING employer

-- name: used_until
SELECT used_until FROM changes_used WHERE employer = $1

-- name: persons_after
SELECT candidate FROM persons WHERE candidate > $1 ORDER BY candidate LIMIT $2

-- name: lists_behind
SELECT candidate, persons.version, generation FROM pg_temp.read_back JOIN persons ON candidate = key
WHERE persons.version > read_back.version
ORDER BY candidate FOR UPDATE OF persons

-- name: lists_ahead
SELECT count(*) FROM pg_temp.read_back LEFT JOIN persons ON candidate = key
WHERE read_back.highest > coalesce(persons.version, 0)

-- name: pools_after
SELECT pool FROM pools WHERE pool > $1 ORDER BY pool LIMIT $2

-- name: pools_behind
SELECT pool, pools.version, employer, name, criteria FROM pg_temp.read_back JOIN pools ON pool = key
WHERE pools.version > read_back.version
ORDER BY pool FOR UPDATE OF pools

-- name: pools_ahead
SELECT count(*) FROM pg_temp.read_back LEFT JOIN pools ON pool = key
WHERE read_back.highest > coalesce(pools.version, 0)
