-- name: keep
INSERT INTO kept_reports (vendor, record, employer, kind, id, event, happened_at, kept_at, waits_for, counted)
SELECT vendor, record, employer, kind, id, event, happened_at, $1, waits_for, counted
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::uuid[], $10::boolean[])
    AS told (vendor, record, employer, kind, id, event, happened_at, waits_for, counted)
ORDER BY vendor, record, employer, kind
ON CONFLICT (vendor, record, employer, kind) DO UPDATE SET
    id = excluded.id, event = excluded.event, kept_at = excluded.kept_at, waits_for = excluded.waits_for,
    happened_at = CASE
        WHEN kept_reports.counted THEN greatest(kept_reports.happened_at, excluded.happened_at) ELSE excluded.happened_at
    END,
    counted = kept_reports.counted OR excluded.counted
WHERE kept_reports.happened_at IS NULL OR excluded.happened_at IS NULL OR excluded.happened_at >= kept_reports.happened_at

-- name: take_kept
DELETE FROM kept_reports USING unnest($1::text[], $2::text[]) AS known (vendor, record)
WHERE kept_reports.vendor = known.vendor AND kept_reports.record = known.record AND waits_for IS NULL AND NOT counted AND kept_at >= $3
RETURNING kept_reports.vendor, kept_reports.record, id, kind, event, happened_at, kept_at

-- name: deletions
SELECT vendor, record, employer, happened_at, (event::jsonb ->> 'reported_at')::timestamptz AS reported_at, counted
FROM kept_reports JOIN unnest($1::text[], $2::text[]) AS wanted (vendor, record) USING (vendor, record)
WHERE kind = 'deleted' AND waits_for IS NULL AND kept_at >= $3

-- name: count_deletions
UPDATE kept_reports SET counted = true, kept_at = $1
FROM unnest($2::text[], $3::text[], $4::text[]) AS told (vendor, record, employer)
WHERE kept_reports.vendor = told.vendor AND kept_reports.record = told.record AND kept_reports.employer = told.employer
    AND kind = 'deleted' AND NOT counted

-- name: forget_told_before
DELETE FROM kept_reports
USING unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS deleted (vendor, record, employer, at)
WHERE kept_reports.vendor = deleted.vendor AND kept_reports.record = deleted.record
    AND kept_reports.employer = deleted.employer AND kind <> 'deleted'
    AND (happened_at IS NULL OR deleted.at IS NULL OR happened_at <= deleted.at)

-- name: release
DELETE FROM kept_reports WHERE (vendor, record, employer, kind) IN (
    SELECT vendor, record, employer, kind FROM kept_reports
    WHERE waits_for IS NOT NULL
        AND NOT EXISTS (SELECT FROM candidates WHERE candidate = waits_for AND lapse_reason IS NOT NULL)
    ORDER BY kept_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
RETURNING vendor, record, id, kind, event, happened_at, kept_at

-- name: forget_kept
DELETE FROM kept_reports WHERE (vendor, record, employer, kind) IN (
    SELECT vendor, record, employer, kind FROM kept_reports
    WHERE waits_for IS NULL AND kept_at < $1
    ORDER BY kept_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING id

-- name: kept_of
SELECT vendor, (SELECT count(*) FROM (SELECT FROM kept_reports WHERE vendor = tenant.vendor AND NOT counted LIMIT $2) AS bounded) AS kept
FROM unnest($1::text[]) AS tenant (vendor)
