-- name: save_proposals
-- What says what was answered before is answered. `(SELECT $2)` as in `lock_people`.
INSERT INTO proposals (vendor, record, candidate, told_at, profile, titles, event_id, proof, received_at)
SELECT vendor, record, candidate, $1, told.profile::jsonb, told.titles::jsonb, event_id, proof, received_at
FROM unnest((SELECT $2::uuid[]), (SELECT $3::text[]), (SELECT $4::text[]), (SELECT $5::text[]), (SELECT $6::text[]), (SELECT $7::text[]),
        (SELECT $8::text[]), (SELECT $9::timestamptz[]))
    AS told (candidate, vendor, record, profile, titles, event_id, proof, received_at)
JOIN candidates USING (candidate)
ORDER BY vendor, record
ON CONFLICT (vendor, record) DO UPDATE SET
    candidate = excluded.candidate, told_at = excluded.told_at, profile = excluded.profile, titles = excluded.titles,
    event_id = excluded.event_id, proof = excluded.proof, received_at = excluded.received_at,
    answered_at = CASE
        WHEN (proposals.candidate, proposals.profile, proposals.titles) = (excluded.candidate, excluded.profile, excluded.titles)
        THEN proposals.answered_at
    END

-- name: trim_proposals
DELETE FROM proposals USING (
    SELECT vendor, record, row_number() OVER (PARTITION BY candidate ORDER BY of_its_vendor, told_at DESC, vendor) AS place
    FROM (
        SELECT vendor, record, candidate, told_at,
            row_number() OVER (PARTITION BY candidate, vendor ORDER BY told_at DESC, record DESC) AS of_its_vendor
        FROM proposals WHERE candidate = ANY($1::uuid[])
    ) AS numbered
) AS kept
WHERE proposals.vendor = kept.vendor AND proposals.record = kept.record AND place > $2

-- name: read_proposals
SELECT proposals.candidate::text, vendor, record, employer, told_at, profile, titles, answered_at,
    proposals.event_id, proposals.proof, proposals.received_at
FROM proposals JOIN claims USING (vendor, record)
WHERE proposals.candidate = $1
ORDER BY told_at DESC, vendor, record DESC

-- name: answer_proposals
UPDATE proposals SET answered_at = $3 WHERE candidate = $1 AND told_at <= $2 AND answered_at IS NULL

-- name: answer_proposal
UPDATE proposals SET answered_at = $4 WHERE candidate = $1 AND vendor = $2 AND record = $3

-- name: read_origins
SELECT origins FROM profile_origins WHERE candidate = $1

-- name: save_origins
INSERT INTO profile_origins (candidate, origins) VALUES ($1, $2::jsonb)
ON CONFLICT (candidate) DO UPDATE SET origins = excluded.origins

-- name: deny
WITH gone AS (
    DELETE FROM claims WHERE vendor = $2 AND record = $3 AND candidate = $1 RETURNING vendor, record, candidate, employer
)
INSERT INTO not_theirs (vendor, record, candidate, employer, said_at)
SELECT vendor, record, candidate, employer, $4 FROM gone
ON CONFLICT DO NOTHING
