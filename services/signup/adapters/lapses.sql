-- name: lapse
UPDATE candidates SET lapse_reason = $2, lapse_asked_at = $3, lapsed_at = $3
WHERE candidate IN (
    SELECT candidate FROM candidates WHERE candidate = ANY($1::uuid[]) ORDER BY candidate FOR UPDATE
) AND confirmed_at IS NULL
    AND (lapse_reason IS NULL OR ($2 = 'refused' AND lapse_reason <> 'refused')) -- the person's own word, whatever came before
RETURNING candidate::text, lapse_reason AS reason, lapsed_at AS at

-- name: lapse_unclaimed
UPDATE candidates SET lapse_reason = 'deleted', lapse_asked_at = $2, lapsed_at = $2
WHERE candidate IN (
    SELECT candidate FROM candidates WHERE candidate = ANY($1::uuid[]) ORDER BY candidate FOR UPDATE
) AND confirmed_at IS NULL AND lapse_reason IS NULL
    AND NOT EXISTS (SELECT FROM claims WHERE claims.candidate = candidates.candidate)
RETURNING candidate::text, lapse_reason AS reason, lapsed_at AS at

-- name: lapse_expired
UPDATE candidates SET lapse_reason = 'expired', lapse_asked_at = $1, lapsed_at = $1
WHERE candidate IN (
    SELECT candidate FROM candidates
    WHERE confirmed_at IS NULL AND lapse_reason IS NULL AND stub_until < $1
    ORDER BY stub_until LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING candidate::text, lapse_reason AS reason, lapsed_at AS at

-- name: ask_again
UPDATE candidates SET lapse_asked_at = $1
WHERE candidate IN (
    SELECT candidate FROM candidates WHERE lapse_asked_at < $2 ORDER BY lapse_asked_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
RETURNING candidate::text, lapse_reason AS reason, lapsed_at AS at

-- name: erase_lapsed
WITH gone AS (
    DELETE FROM candidates
    WHERE candidate = ANY($1::uuid[]) AND confirmed_at IS NULL AND lapse_reason IS NOT NULL
    RETURNING candidate, profile_version
), noted AS (
    INSERT INTO erased (candidate, erased_at) SELECT candidate, $2 FROM gone ON CONFLICT DO NOTHING
), asked AS (
    INSERT INTO erasures_outstanding (candidate, service, erased_at, asked_at, ask_at)
    SELECT candidate, service, $2, $2, $2::timestamptz + interval '10 minutes' FROM gone, unnest($3::text[]) AS service ON CONFLICT DO NOTHING
)
SELECT candidate::text, profile_version FROM gone

-- name: erased_after
SELECT candidate::text FROM erased WHERE candidate > $1 ORDER BY erased.candidate LIMIT $2

-- name: erasures_behind
SELECT candidate::text, erased_at AS at FROM pg_temp.read_back JOIN erased ON candidate = id
WHERE version <= 0
ORDER BY erased.candidate FOR UPDATE OF erased

-- name: erasures_ahead
SELECT count(*) FROM pg_temp.read_back LEFT JOIN erased ON candidate = id
WHERE version <> 0 AND candidate IS NULL

-- name: erase_again
WITH back AS (
    SELECT candidates.candidate FROM pg_temp.read_back JOIN candidates ON candidates.candidate = id
    WHERE version <> 0 ORDER BY candidate LIMIT $2 FOR UPDATE OF candidates
), gone AS (
    DELETE FROM candidates USING back WHERE candidates.candidate = back.candidate RETURNING candidates.candidate, candidates.profile_version
), noted AS (
    INSERT INTO erased (candidate, erased_at)
    SELECT id, $1 FROM pg_temp.read_back WHERE version <> 0 AND id IS NOT NULL ORDER BY id
    ON CONFLICT DO NOTHING
), asked AS (
    INSERT INTO erasures_outstanding (candidate, service, erased_at, asked_at, ask_at)
    SELECT candidate, service, $1, $1, $1::timestamptz + interval '10 minutes' FROM gone, unnest($3::text[]) AS service ON CONFLICT DO NOTHING
)
SELECT candidate::text, profile_version FROM gone
