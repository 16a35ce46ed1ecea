-- name: start_session
-- Of two that spend the same link at once one has it.
WITH known AS (
    SELECT candidate, greatest(email_since, links_from) AS links_from FROM candidates WHERE candidate = $2::uuid FOR KEY SHARE
), started AS (
    INSERT INTO sessions (name, candidate, link, made_at, expires_at, browser, kept_until)
    SELECT $1, candidate, $3, $4, $5, $6, $7 FROM known
    WHERE links_from IS NULL OR $9::timestamptz >= links_from -- else their email moved since, or a mailbox said no to that
    ON CONFLICT (link) DO NOTHING
    RETURNING name
), reads AS (
    UPDATE candidates SET locale = $8 FROM started
    WHERE candidate = $2::uuid AND $8::text IS NOT NULL AND locale IS DISTINCT FROM $8 AND (locale IS NULL OR $10)
)
SELECT EXISTS (SELECT FROM known) AS is_known, EXISTS (SELECT FROM started) AS is_started

-- name: link_state
SELECT EXISTS (SELECT FROM candidates WHERE candidate = $1::uuid) AS is_known,
    EXISTS (SELECT FROM sessions WHERE link = $2)
    OR EXISTS (SELECT FROM candidates WHERE candidate = $1::uuid AND $3::timestamptz < greatest(email_since, links_from)) AS is_spent

-- name: links_from
SELECT greatest(email_since, links_from) FROM candidates WHERE candidate = $1::uuid

-- name: signed_in
-- With the time zone that the courier's emails are written in: what they chose with what they allow.
SELECT (SELECT time_zone FROM courier_consent WHERE courier_consent.candidate = sessions.candidate::text) AS time_zone FROM sessions
WHERE name = $2 AND candidate = $1::uuid AND ended_at IS NULL AND expires_at > $3

-- name: is_signed_in
SELECT EXISTS (
    SELECT FROM sessions WHERE name = $2 AND candidate = $1::uuid AND ended_at IS NULL AND expires_at > $3
)

-- name: sessions_of
SELECT name, made_at, expires_at, browser FROM sessions
WHERE candidate = $1::uuid AND ended_at IS NULL AND expires_at > $2
ORDER BY made_at DESC, name LIMIT $3

-- name: end_one_session
UPDATE sessions SET ended_at = $3
WHERE candidate = $1::uuid AND name = $2 AND ended_at IS NULL AND expires_at > $3
RETURNING name, expires_at

-- name: end_other_sessions
UPDATE sessions SET ended_at = $3
WHERE candidate = $1::uuid AND name <> $2 AND ended_at IS NULL AND expires_at > $3
RETURNING name, expires_at

-- name: forget_sessions
DELETE FROM sessions WHERE name IN (
    SELECT name FROM sessions WHERE kept_until <= $1 ORDER BY kept_until LIMIT $2 FOR UPDATE SKIP LOCKED
)
