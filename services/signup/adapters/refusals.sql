-- name: lock_person
SELECT FROM candidates WHERE candidate = $1::uuid FOR UPDATE

-- name: standing
SELECT known.candidate IS NOT NULL AS is_known, known.confirmed_at IS NOT NULL AS has_answered, known.links_from, refusals.never_again
FROM (SELECT $1::uuid AS candidate) AS asked
LEFT JOIN candidates AS known ON known.candidate = asked.candidate
LEFT JOIN refusals ON refusals.candidate = asked.candidate

-- name: note_refusal
WITH said AS (
    INSERT INTO invitations (slow_hash, count, last_at, said_no_at, pepper, prefix) VALUES ($2, 0, $4, $4, $5, $6)
    ON CONFLICT (slow_hash) DO UPDATE SET said_no_at = coalesce(invitations.said_no_at, excluded.said_no_at),
        pepper = excluded.pepper, prefix = excluded.prefix
)
INSERT INTO refusals (candidate, slow_hash, never_again, until) VALUES ($1::uuid, $2, false, $3)
ON CONFLICT (candidate) DO NOTHING

-- name: never_again
WITH said AS (
    UPDATE refusals SET never_again = true WHERE candidate = $1::uuid RETURNING slow_hash
)
INSERT INTO invitations (slow_hash, count, last_at, refused_at, said_no_at) SELECT slow_hash, 0, $2, $2, $2 FROM said
ON CONFLICT (slow_hash) DO UPDATE SET
    refused_at = excluded.refused_at, said_no_at = coalesce(invitations.said_no_at, excluded.said_no_at)

-- name: forget_refusals
DELETE FROM refusals WHERE candidate IN (
    SELECT candidate FROM refusals WHERE until < $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED
)
