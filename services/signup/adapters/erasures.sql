-- name: swept
-- Of whoever erased themself it is kept what was swept when: the last sweep that was owed.
WITH told AS (
    SELECT DISTINCT ON (candidate, service) candidate, service, at, stores
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[]) AS told (candidate, service, at, stores)
    ORDER BY candidate, service, at
), done AS (
    DELETE FROM erasures_outstanding USING told
    WHERE erasures_outstanding.candidate = told.candidate AND erasures_outstanding.service = told.service
    RETURNING told.candidate, told.service, told.at, told.stores
)
INSERT INTO erasure_sweeps (candidate, service, swept_at, stores)
SELECT candidate, service, at, stores::jsonb FROM done JOIN erasure_requests USING (candidate)
ORDER BY candidate, service
ON CONFLICT (candidate, service) DO UPDATE SET swept_at = excluded.swept_at, stores = excluded.stores

-- name: ask_again
-- As the runner spaces attempts: twice as long each time, up to a limit, and the upper half of it is chance.
UPDATE erasures_outstanding
SET asked_at = $1, asked = asked + 1,
    ask_at = $1::timestamptz + least($2::interval * power(2, least(asked, 16)), $3::interval) * (0.5 + random() / 2)
WHERE (candidate, service) IN (
    SELECT candidate, service FROM erasures_outstanding
    WHERE ask_at <= $1 ORDER BY ask_at LIMIT $4 FOR UPDATE SKIP LOCKED
)
RETURNING candidate::text, erased_at AS at

-- name: outstanding
SELECT candidate::text, service, erased_at, asked_at, asked, ask_at FROM erasures_outstanding
WHERE (candidate, service) > ($1::uuid, $2) ORDER BY erasures_outstanding.candidate, service LIMIT $3

-- name: oldest
SELECT service, (
    SELECT erased_at FROM erasures_outstanding WHERE erasures_outstanding.service = known.service ORDER BY erased_at LIMIT 1
) AS erased_at
FROM unnest($1::text[]) AS known (service)
