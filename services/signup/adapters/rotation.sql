-- name: begin_rotation
WITH begun AS (
    INSERT INTO rotations (into_epoch, asked_at, asked_by)
    SELECT greatest((SELECT max(epoch) FROM epochs), (SELECT max(epoch) FROM epochs_ended), 0) + 1, $1, $2
    ON CONFLICT DO NOTHING
    RETURNING into_epoch
)
INSERT INTO epochs (epoch, name)
SELECT into_epoch, 'epoch-' || into_epoch || '-' || gen_random_uuid() FROM begun
RETURNING epoch

-- name: give_up
UPDATE rotations SET given_up = $1 WHERE done_at IS NULL

-- name: note_given_up
INSERT INTO operator_log (at, by, act, reason) VALUES ($1, $2, 'vault_given_up', $3)

-- name: note_rotation
INSERT INTO operator_log (at, by, act) VALUES ($1, $2, 'vault_rotated')

-- name: rotation
SELECT into_epoch, asked_at, asked_by, rewrapped, unreadable, done_at, sources_shut, days_forgotten,
    (SELECT reference IS NOT NULL FROM epochs WHERE epoch = into_epoch) AS made,
    NOT EXISTS (SELECT FROM epochs WHERE epoch < into_epoch) AS ended,
    (SELECT count(*) FROM (SELECT FROM identities WHERE epoch < into_epoch LIMIT 100000) AS first_of_them) AS left
FROM rotations ORDER BY into_epoch DESC LIMIT 1

-- name: epochs_of_the_vault
SELECT epoch, name, made_at, reference FROM epochs ORDER BY epoch

-- name: open_rotation
SELECT into_epoch, after_epoch, after_candidate::text, given_up, asked_by,
    (SELECT reference IS NOT NULL FROM epochs WHERE epoch = into_epoch) AS made,
    EXISTS (SELECT FROM epochs WHERE epoch < into_epoch) AS older
FROM rotations WHERE done_at IS NULL FOR UPDATE

-- name: take_identities
-- What somebody else has in hand is passed over, and found by the next sweep: nobody is waited for.
SELECT candidate::text, version, epoch, identity_key, messages_key, identity, public_key, private_key, mail, name, phones
FROM identities
WHERE epoch < $1 AND (epoch, candidate) > ($2, $3::uuid)
ORDER BY epoch, identities.candidate LIMIT $4
FOR NO KEY UPDATE SKIP LOCKED

-- name: save_rewrapped
UPDATE identities SET
    epoch = $1, identity_key = row.identity_key, messages_key = row.messages_key, identity = row.identity,
    mail = '', name = '', phones = ''
FROM unnest($2::uuid[], $3::bytea[], $4::bytea[], $5::bytea[]) AS row (candidate, identity_key, messages_key, identity)
WHERE identities.candidate = row.candidate

-- name: take_along
UPDATE identities SET epoch = $1 WHERE candidate = ANY($2::uuid[])

-- name: note_progress
UPDATE rotations SET after_epoch = $2, after_candidate = $3::uuid, rewrapped = rewrapped + $4, unreadable = unreadable + $5
WHERE into_epoch = $1

-- name: take_intake_keys
SELECT day, epoch, sealed_key FROM intake_keys WHERE epoch < $1 ORDER BY day LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: save_intake_keys
UPDATE intake_keys SET epoch = $1, sealed_key = row.sealed_key
FROM unnest($2::date[], $3::bytea[]) AS row (day, sealed_key) WHERE intake_keys.day = row.day

-- name: take_sources
SELECT format, source, employer, epoch, sealed_secret, sealed_previous FROM sources
WHERE epoch < $1 ORDER BY format, source LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED

-- name: save_sources
UPDATE sources SET epoch = $1, sealed_secret = row.sealed_secret, sealed_previous = row.sealed_previous
FROM unnest($2::text[], $3::text[], $4::bytea[], $5::bytea[]) AS row (format, source, sealed_secret, sealed_previous)
WHERE sources.format = row.format AND sources.source = row.source

-- name: end_epochs
WITH gone AS (DELETE FROM epochs WHERE epoch < $1 RETURNING epoch, reference)
INSERT INTO epochs_ended (epoch, reference, ended_at) SELECT epoch, reference, $2 FROM gone

-- name: to_destroy
SELECT epoch, reference FROM epochs_ended WHERE destroyed_at IS NULL ORDER BY epoch LIMIT 100

-- name: note_destroyed
UPDATE epochs_ended SET destroyed_at = $2 WHERE epoch = $1

-- name: end_rotation
UPDATE rotations SET done_at = $1, after_candidate = DEFAULT WHERE done_at IS NULL

-- name: forget_intake_keys
DELETE FROM intake_keys WHERE day = ANY($1::date[])

-- name: note_days_forgotten
UPDATE rotations SET days_forgotten = days_forgotten || $2::date[], unreadable = unreadable + cardinality($2::date[])
WHERE into_epoch = $1

-- name: note_sources_shut
UPDATE rotations SET sources_shut = sources_shut || $2::text[], unreadable = unreadable + cardinality($2::text[])
WHERE into_epoch = $1

-- name: note_shut
INSERT INTO operator_log (at, by, act, tenant, reason)
SELECT $1, $2, $3, row.tenant, row.reason FROM unnest($4::text[], $5::text[]) AS row (tenant, reason)
