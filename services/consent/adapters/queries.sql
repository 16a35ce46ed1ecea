-- name: register
INSERT INTO consents (candidate, principal)
SELECT candidate, principal FROM unnest($1::text[], $2::text[]) AS new (candidate, principal) ORDER BY candidate
ON CONFLICT (candidate) DO NOTHING

-- name: read
SELECT * FROM consents WHERE candidate = $1

-- name: lock
SELECT * FROM consents WHERE candidate = $1 FOR UPDATE

-- name: append
WITH entry AS (
    INSERT INTO ledger (candidate, version, leaf, previous, at)
    SELECT candidate, $2, $3, leaf, $4 FROM consents WHERE candidate = $1 AND version = $2::bigint - 1
    RETURNING seq
), opening AS (
    INSERT INTO ledger_openings (seq, nonce) SELECT seq, $5 FROM entry
), receipt AS (
    INSERT INTO receipts (id, seq, document) SELECT $6, seq, $7::json FROM entry
)
UPDATE consents SET
    version = $2, leaf = $3, changed_at = $4, receipt = $6, outbox_id = $8, purposes = $9, sectors = $10,
    blocked_employers = $11, first_contacts_per_week = $12, min_gap_hours = $13, quiet_start = $14, quiet_end = $15,
    time_zone = $16, paused_until = $17, ends_at = $18
WHERE candidate = $1 AND version = $2::bigint - 1
RETURNING *

-- name: receipt
SELECT receipts.document, ledger_openings.nonce
FROM receipts LEFT JOIN ledger_openings USING (seq)
WHERE receipts.id = $1

-- name: behind
SELECT consents.* FROM consents LEFT JOIN pg_temp.read_back ON key = candidate
WHERE candidate > $1 AND consents.version > coalesce(read_back.version, 0)
ORDER BY candidate LIMIT $2 FOR UPDATE OF consents
