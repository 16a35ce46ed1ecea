-- name: hold_person
SELECT candidate FROM candidates WHERE candidate = $1::uuid FOR NO KEY UPDATE

-- name: exports_of
SELECT name, state, asked_at, ends_at, ready_at, size FROM exports WHERE candidate = $1::uuid AND ends_at > $2 ORDER BY asked_at DESC, name

-- name: replace_exports
-- They only count from here on, for as long as a day's limit looks back.
WITH replaced AS (
    UPDATE exports SET state = 'replaced', public_key = NULL, private_key = NULL, box = NULL, ends_at = asked_at + interval '1 day'
    WHERE candidate = $1::uuid AND state <> 'replaced'
    RETURNING name
)
DELETE FROM export_parts WHERE export = ANY(ARRAY(SELECT name FROM replaced))

-- name: start_export
INSERT INTO exports (name, candidate, state, asked_at, consent_asked_at, ends_at, public_key, private_key)
VALUES ($1, $2::uuid, 'waiting', $3, $3, $4, $5, $6)

-- name: fetch_export
SELECT name, state, asked_at, ends_at, ready_at, size, box FROM exports
WHERE candidate = $1::uuid AND state = 'ready' AND ends_at > $2 ORDER BY asked_at DESC LIMIT 1

-- name: lock_waiting
-- In the order of their names, so that two that take parts do not wait for each other in a ring.
SELECT name, candidate::text FROM exports WHERE name = ANY($1::text[]) AND state = 'waiting' AND ends_at > $2 ORDER BY name FOR NO KEY UPDATE

-- name: keep_parts
INSERT INTO export_parts (export, candidate, answer, part, parts, sealed)
SELECT export, candidate, answer, part, parts, sealed
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::smallint[], $5::smallint[], $6::text[]) AS new (export, candidate, answer, part, parts, sealed)
ON CONFLICT DO NOTHING

-- name: whole_answers
SELECT export, min(answer) AS answer FROM (
    SELECT export, answer FROM export_parts WHERE export = ANY($1::text[])
    GROUP BY export, answer HAVING min(parts) = max(parts) AND count(*) = max(parts) AND max(part) = max(parts)
) AS whole GROUP BY export

-- name: lock_export
SELECT name, candidate::text, state, asked_at, ends_at, ready_at, size, public_key, private_key FROM exports
WHERE name = $1 AND state = 'waiting' AND ends_at > $2 FOR NO KEY UPDATE

-- name: parts_of
SELECT part, parts, sealed FROM export_parts WHERE export = $1 AND answer = $2 ORDER BY part

-- name: finish_export
UPDATE exports SET state = 'ready', ready_at = $2, ends_at = $3, size = $4, box = $5, public_key = NULL, private_key = NULL WHERE name = $1

-- name: drop_parts
DELETE FROM export_parts WHERE export = ANY($1::text[])

-- name: to_ask_again
-- What has a whole answer waits for this service alone.
UPDATE exports SET consent_asked_at = $2 WHERE name IN (
    SELECT name FROM exports WHERE state = 'waiting' AND consent_asked_at < $1 AND ends_at > $2
    AND NOT EXISTS (
        SELECT FROM export_parts WHERE export = exports.name
        GROUP BY answer HAVING min(parts) = max(parts) AND count(*) = max(parts) AND max(part) = max(parts)
    )
    ORDER BY consent_asked_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
RETURNING name, candidate::text, asked_at, ends_at, public_key

-- name: forget_exports
DELETE FROM exports WHERE name IN (
    SELECT name FROM exports WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
