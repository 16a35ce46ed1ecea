-- name: lock_pool
-- One message to a pool is taken at a time: the one before is seen.
SELECT pg_advisory_xact_lock(262254611, hashtext($1::text || ' ' || $2::text))

-- name: keep_pool_message
INSERT INTO pool_messages (id, employer, pool, request_digest, sealed, submitted_at, last_day, valid_through, tell_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: pool_message
SELECT id, employer, pool, request_digest, sealed, submitted_at, last_day, valid_through, tell_at, taken_back_at, sent
FROM pool_messages WHERE id = $1 AND ($2::text IS NULL OR employer = $2)

-- name: find_pool_message
SELECT id, employer, pool, request_digest, sealed, submitted_at, last_day, valid_through, tell_at, taken_back_at, sent
FROM pool_messages WHERE id = ANY($1::text[]) AND employer = $2

-- name: take_pool_messages
SELECT id, employer, pool, request_digest, sealed, submitted_at, last_day, valid_through, tell_at, taken_back_at, sent
FROM pool_messages WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE

-- name: last_pool_message
SELECT id, employer, pool, request_digest, sealed, submitted_at, last_day, valid_through, tell_at, taken_back_at, sent
FROM pool_messages WHERE employer = $1 AND pool = $2 ORDER BY submitted_at DESC LIMIT 1

-- name: pool_messages_of
SELECT id, employer, pool, request_digest, sealed, submitted_at, last_day, valid_through, tell_at, taken_back_at, sent
FROM pool_messages WHERE employer = $1 AND id COLLATE "C" > $2 ORDER BY id COLLATE "C" LIMIT $3

-- name: fitting
-- Of more people than are written to, others with each message.
SELECT m.candidate::text, m.generation, k.public_key
FROM memberships m JOIN candidate_keys k USING (candidate)
WHERE m.seats @> ARRAY[$1::text] AND m.pools_version = m.version
ORDER BY md5(m.candidate::text || $2) LIMIT $3

-- name: submit_each
-- Nothing is told of these to their employer one by one.
INSERT INTO outreach (id, employer, candidate, member_ref, request_digest, sealed, submitted_at, expires_at, due_at,
                      valid_through, pool_tag, generation, last_day, parent, sealed_job)
SELECT one.id, $5, one.candidate, '', $6, one.sealed, $7, $8, $9, $10, $11, one.generation, $12, $13, one.sealed_job
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $14::text[]) AS one (id, candidate, sealed, generation, sealed_job)
ON CONFLICT (id) DO NOTHING

-- name: forget_words
UPDATE pool_messages SET sealed = NULL WHERE id = $1

-- name: take_back_pool_message
UPDATE pool_messages SET taken_back_at = $2, sealed = NULL WHERE id = $1

-- name: people_of_parent
SELECT candidate::text FROM outreach WHERE parent = $1 AND taken_back_at IS NULL ORDER BY outreach.candidate

-- name: take_back_each
UPDATE outreach SET told = 'cancelled', taken_back_at = $2,
    due_at = CASE WHEN state IN ('submitted', 'delayed') THEN $3 ELSE due_at END
WHERE parent = $1 AND taken_back_at IS NULL

-- name: states_of_parent
SELECT state, count(*) AS messages FROM outreach WHERE parent = $1 GROUP BY state

-- name: end_pool_message
UPDATE pool_messages SET sent = $2 WHERE id = $1

-- name: forget_pool_messages
DELETE FROM pool_messages WHERE id IN (
    SELECT id FROM pool_messages WHERE submitted_at < $1 AND sent IS NOT NULL ORDER BY submitted_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id
