-- name: is_known
SELECT EXISTS (SELECT FROM candidates WHERE candidate = $1::uuid)

-- name: worked_then
SELECT EXISTS (SELECT FROM erasure_requests WHERE candidate = $1::uuid AND $2 = ANY(sessions) AND readable_until > $3)

-- name: erase_wished
-- $8: the session that erases, empty for a link; it worked when it was asked, whatever became of it while the mailbox was hashed.
WITH working AS (
    SELECT coalesce(array_agg(name), '{}') AS names FROM sessions WHERE candidate = $1::uuid AND ended_at IS NULL AND expires_at > $2
), gone AS (
    DELETE FROM candidates WHERE candidate = $1::uuid RETURNING candidate, profile_version
), noted AS (
    INSERT INTO erased (candidate, erased_at) SELECT candidate, $2 FROM gone ON CONFLICT DO NOTHING
), asked AS (
    INSERT INTO erasures_outstanding (candidate, service, erased_at, asked_at, ask_at)
    SELECT candidate, service, $2, $2, $2::timestamptz + interval '10 minutes' FROM gone, unnest($3::text[]) AS service ON CONFLICT DO NOTHING
), requested AS (
    INSERT INTO erasure_requests (candidate, erased_at, readable_until, sessions) SELECT candidate, $2, $4, array_remove(array_append(names, $8), '') FROM gone, working
    ON CONFLICT (candidate) DO UPDATE SET erased_at = excluded.erased_at, readable_until = excluded.readable_until,
        sessions = excluded.sessions
), refused AS (
    -- The newest no counts: whoever comes back by the join page after it is asked at once.
    INSERT INTO invitations (slow_hash, count, last_at, refused_at, said_no_at, pepper, prefix)
    SELECT $5::bytea, 0, $2, $2, $2, $6::bytea, $7::integer FROM gone WHERE $5::bytea IS NOT NULL
    ON CONFLICT (slow_hash) DO UPDATE SET refused_at = excluded.refused_at, said_no_at = excluded.said_no_at,
        pepper = excluded.pepper, prefix = excluded.prefix
)
SELECT candidate::text, profile_version FROM gone

-- name: add_certificate
-- $5: the session that asks, empty for a link: a few are given out to each.
INSERT INTO certificates (id_hash, candidate, asked_by)
SELECT $1, candidate, $5 FROM erasure_requests
WHERE candidate = $2::uuid AND readable_until > $3 AND ($5 = '' OR $5 = ANY(sessions)) AND (
    SELECT count(*) FROM certificates WHERE certificates.candidate = erasure_requests.candidate AND asked_by = $5
) < $4
ON CONFLICT (id_hash) DO NOTHING

-- name: certified_since
SELECT erased_at FROM certificates JOIN erasure_requests USING (candidate)
WHERE id_hash = $1 AND candidate = $2::uuid AND readable_until > $3

-- name: erased_since
SELECT erased_at FROM erasure_requests
WHERE candidate = $1::uuid AND readable_until > $2 AND ($3 = '' OR $3 = ANY(sessions))

-- name: read_certificate
SELECT erased_at, readable_until, (
    SELECT coalesce(json_agg(json_build_object('service', service, 'at', swept_at, 'stores', stores) ORDER BY service), '[]')
    FROM erasure_sweeps WHERE erasure_sweeps.candidate = erasure_requests.candidate
) AS sweeps, ARRAY(
    SELECT service FROM erasures_outstanding
    WHERE erasures_outstanding.candidate = erasure_requests.candidate ORDER BY service
) AS outstanding
FROM certificates JOIN erasure_requests USING (candidate)
WHERE id_hash = $1 AND readable_until > $2

-- name: forget_certificates
DELETE FROM erasure_requests WHERE candidate IN (
    SELECT candidate FROM erasure_requests WHERE readable_until < $1 ORDER BY readable_until LIMIT $2 FOR UPDATE SKIP LOCKED
)

-- name: candidate_by_mailbox
-- Also by an address that was given up less than 72 hours ago.
SELECT candidate::text FROM candidates
WHERE blind_index = ANY($1::bytea[])
    OR candidate = ANY(ARRAY(SELECT former.candidate FROM former_mailboxes AS former WHERE former.blind_index = ANY($1::bytea[])))
ORDER BY registered_at LIMIT 1

-- name: note_erasure
INSERT INTO operator_log (at, by, act, reason) VALUES ($1, $2, $3, $4)
