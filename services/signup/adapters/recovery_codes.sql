-- name: save_code
INSERT INTO recovery_codes (candidate, code_hash, made_at) VALUES ($1::uuid, $2, $3)
ON CONFLICT (candidate) DO UPDATE SET code_hash = excluded.code_hash, made_at = excluded.made_at, spent_at = NULL

-- name: read_code
SELECT code_hash FROM recovery_codes WHERE candidate = $1::uuid AND spent_at IS NULL

-- name: had_code
SELECT EXISTS (SELECT FROM recovery_codes WHERE candidate = $1::uuid)

-- name: spend_code
UPDATE recovery_codes SET spent_at = $2 WHERE candidate = $1::uuid AND spent_at IS NULL
