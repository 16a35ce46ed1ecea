-- name: save_proposals
INSERT INTO proposals (vendor, record, candidate, told_at, profile, titles)
SELECT vendor, record, candidate, $1, told.profile::jsonb, told.titles::jsonb
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) AS told (candidate, vendor, record, profile, titles)
JOIN candidates USING (candidate)
WHERE candidates.profile IS NULL
ORDER BY vendor, record
ON CONFLICT (vendor, record) DO UPDATE SET
    candidate = excluded.candidate, told_at = excluded.told_at, profile = excluded.profile, titles = excluded.titles

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
SELECT proposals.candidate::text, vendor, record, employer, told_at, profile, titles
FROM proposals JOIN claims USING (vendor, record)
WHERE proposals.candidate = $1
ORDER BY told_at DESC, vendor, record DESC
