-- name: read_identities
SELECT candidate::text, version, epoch, identity_key, messages_key, identity, public_key, private_key, mail, name, phones,
    locale
FROM identities JOIN candidates USING (candidate)
WHERE candidate = ANY($1::uuid[])

-- name: read_epochs
SELECT epoch, reference FROM epochs WHERE reference IS NOT NULL ORDER BY epoch

-- name: hold_epoch
SELECT epoch FROM epochs WHERE epoch = $1 FOR KEY SHARE

-- name: epochs_to_make
SELECT epoch, name FROM epochs WHERE reference IS NULL ORDER BY epoch

-- name: note_epoch_made
UPDATE epochs SET reference = $2, made_at = now() WHERE epoch = $1 AND reference IS NULL

-- name: some_of_the_first
SELECT candidate::text, version, identity_key FROM identities WHERE epoch = 1 LIMIT 20

-- name: is_anything_sealed
SELECT EXISTS (SELECT FROM identities WHERE epoch = 1) OR EXISTS (SELECT FROM intake_keys WHERE epoch = 1)
    OR EXISTS (SELECT FROM sources WHERE epoch = 1)
