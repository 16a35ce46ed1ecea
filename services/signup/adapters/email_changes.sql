-- name: lock_person
SELECT candidate::text, confirmed_at IS NOT NULL AS confirmed, blind_index, coalesce(email_since, registered_at) AS email_since,
    greatest(candidates.email_since, links_from) AS links_from
FROM candidates WHERE candidate = $1::uuid FOR UPDATE

-- name: read_change
SELECT id, state, new_said, old_said, until, sealed, old_since FROM email_changes WHERE candidate = $1::uuid

-- name: confirmed_of_mailbox
SELECT candidate::text FROM candidates WHERE blind_index = ANY($1::bytea[]) AND confirmed_at IS NOT NULL

-- name: begin_change
INSERT INTO email_changes (candidate, id, state, until, sealed, old_since) VALUES ($1::uuid, $2, $3, $4, $5, $6)
ON CONFLICT (candidate) DO UPDATE SET id = excluded.id, state = excluded.state, new_said = false, old_said = false,
    until = excluded.until, sealed = excluded.sealed, old_since = excluded.old_since

-- name: note_change
UPDATE email_changes SET state = $2, new_said = $3, old_said = $4, until = $5 WHERE candidate = $1::uuid

-- name: end_change
DELETE FROM email_changes WHERE candidate = $1::uuid

-- name: end_due_change
DELETE FROM email_changes WHERE candidate = $1::uuid AND until <= $2 RETURNING state

-- name: void_links
UPDATE candidates SET links_from = $2 WHERE candidate = $1::uuid

-- name: due_changes
SELECT candidate::text FROM email_changes WHERE until <= $1 ORDER BY until LIMIT $2
