-- name: lock_both
-- The person, and whoever was invited to that mailbox, in the order in which a batch of reports locks people.
SELECT FROM candidates WHERE candidate = $1::uuid OR blind_index = ANY($2::bytea[]) ORDER BY candidate FOR UPDATE

-- name: whose_mailbox
-- Not whoever was told of by it and never answered: that is anybody's word.
SELECT candidate::text FROM candidates WHERE blind_index = ANY($1::bytea[]) AND confirmed_at IS NOT NULL
UNION SELECT candidate::text FROM former_mailboxes WHERE blind_index = ANY($1::bytea[])
LIMIT 2

-- name: hold_mailbox
SELECT pg_advisory_xact_lock(hashtextextended('mailbox ' || encode($1::bytea, 'hex'), 0))

-- name: in_the_way
-- Told of by this mailbox, and not heard to have answered.
SELECT candidate::text FROM candidates
WHERE blind_index = ANY($1::bytea[]) AND candidate <> $2::uuid AND confirmed_at IS NULL ORDER BY candidates.candidate FOR UPDATE

-- name: give_way
-- Nothing finds them by a mailbox any more; their keys, claims and links end as those of any other stub, once consent has said so.
UPDATE candidates SET blind_index = sha256(convert_to(gen_random_uuid()::text, 'UTF8'))
WHERE candidate IN (
    SELECT candidate FROM candidates WHERE blind_index = ANY($1::bytea[]) AND candidate <> $2::uuid ORDER BY candidate FOR UPDATE
) AND confirmed_at IS NULL
RETURNING candidate::text

-- name: save_mailbox
-- Whoever has proven a mailbox is reached there, whatever was said of the one before.
UPDATE candidates SET blind_index = $2, index_key = $3, email_since = $4, mailbox_gone_at = NULL,
    mailbox_version = mailbox_version + (known.mailbox_gone_at IS NOT NULL)::integer
FROM (SELECT candidate, mailbox_gone_at FROM candidates WHERE candidate = $1::uuid) AS known
WHERE candidates.candidate = known.candidate
RETURNING candidates.mailbox_version AS version, known.mailbox_gone_at IS NOT NULL AS is_back

-- name: save_identity
UPDATE identities SET identity = $2, mail = '', name = '', phones = '' WHERE candidate = $1::uuid

-- name: keep_former
INSERT INTO former_mailboxes (blind_index, candidate)
SELECT blind_index, $1::uuid FROM unnest($2::bytea[]) AS former (blind_index) ON CONFLICT DO NOTHING

-- name: give_up_mailbox
-- No vendor's word registers it any more; its owner may join, and how often it was invited stays what it was.
INSERT INTO invitations (slow_hash, count, last_at, refused_at, said_no_at, pepper, prefix) VALUES ($1, 0, $2, $2, $2, $3, $4)
ON CONFLICT (slow_hash) DO UPDATE SET refused_at = excluded.refused_at, said_no_at = excluded.said_no_at,
    pepper = excluded.pepper, prefix = excluded.prefix
