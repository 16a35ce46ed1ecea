-- name: register
INSERT INTO candidates (candidate, blind_index, registered_at, stub_until, index_key, locale)
SELECT candidate, blind_index, $1, stub_until, index_key, locale
FROM unnest($2::uuid[], $3::bytea[], $4::timestamptz[], $5::bytea[], $6::text[])
    AS stub (candidate, blind_index, stub_until, index_key, locale)
WHERE NOT EXISTS (SELECT FROM former_mailboxes WHERE former_mailboxes.blind_index = stub.blind_index)
ORDER BY blind_index
ON CONFLICT (blind_index) DO NOTHING
RETURNING candidate::text

-- name: hold_mailboxes
-- By what sorts first of what the keys make of a mailbox: the same for whoever has the same keys, in whatever order.
WITH held AS MATERIALIZED (
    SELECT DISTINCT hashtextextended('mailbox ' || encode(mailbox, 'hex'), 0) AS key
    FROM unnest($1::bytea[]) AS told (mailbox) ORDER BY key
)
SELECT pg_advisory_xact_lock(key) FROM held

-- name: taken_mailboxes
SELECT blind_index FROM candidates WHERE blind_index = ANY($1::bytea[])

-- name: hold_records
WITH held AS MATERIALIZED (
    SELECT DISTINCT hashtextextended(vendor || E'\n' || record, 0) AS key
    FROM unnest($1::text[], $2::text[]) AS told (vendor, record)
    ORDER BY key
)
SELECT pg_advisory_xact_lock(key) FROM held

-- name: read_claims
-- With those of whom it is not, by their own word, also where nobody is claimed.
SELECT vendor, record, candidate::text, employer, registered, happened_at, not_of
FROM unnest($1::text[], $2::text[]) AS wanted (vendor, record)
LEFT JOIN claims USING (vendor, record)
LEFT JOIN LATERAL (
    SELECT array_agg(not_theirs.candidate::text) AS not_of FROM not_theirs
    WHERE not_theirs.vendor = wanted.vendor AND not_theirs.record = wanted.record
) AS denied ON true
WHERE candidate IS NOT NULL OR not_of IS NOT NULL

-- name: lock_people
-- `(SELECT $1)` hides from PostgreSQL how many they are: it goes by the indexes then, and reads no whole table for a batch (0049).
SELECT candidate::text, blind_index, confirmed_at IS NOT NULL AS confirmed, lapse_reason IS NOT NULL AS lapsing,
    profile IS NOT NULL AS has_spoken,
    ARRAY(SELECT former.blind_index FROM former_mailboxes AS former WHERE former.candidate = candidates.candidate) AS former
FROM candidates
WHERE candidate = ANY((SELECT $1::uuid[])::uuid[]) OR blind_index = ANY((SELECT $2::bytea[])::bytea[])
    OR candidate = ANY(ARRAY(
        SELECT former.candidate FROM former_mailboxes AS former WHERE former.blind_index = ANY((SELECT $2::bytea[])::bytea[])))
ORDER BY candidates.candidate
FOR UPDATE

-- name: save_identities
INSERT INTO identities
    (candidate, version, epoch, identity_key, messages_key, identity, public_key, private_key)
SELECT *
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::bytea[], $5::bytea[], $6::bytea[], $7::text[], $8::bytea[])

-- name: save_claims
INSERT INTO claims (vendor, record, candidate, employer, registered, claimed_at, event_id, proof, received_at)
SELECT vendor, record, candidate, employer, registered, $1, event_id, proof, received_at
FROM unnest($2::text[], $3::text[], $4::uuid[], $5::text[], $6::boolean[], $7::text[], $8::text[], $9::timestamptz[])
    AS claim (vendor, record, candidate, employer, registered, event_id, proof, received_at)
ORDER BY vendor, record
ON CONFLICT (vendor, record) DO UPDATE SET
    candidate = excluded.candidate,
    employer = excluded.employer,
    registered = excluded.registered OR (claims.registered AND claims.candidate = excluded.candidate),
    claimed_at = excluded.claimed_at,
    event_id = excluded.event_id,
    proof = excluded.proof,
    received_at = excluded.received_at

-- name: remove_claims
DELETE FROM claims USING unnest($1::text[], $2::text[]) AS gone (vendor, record)
WHERE claims.vendor = gone.vendor AND claims.record = gone.record

-- name: note_times
UPDATE claims SET happened_at = greatest(claims.happened_at, told.happened_at)
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS told (vendor, record, happened_at)
WHERE claims.vendor = told.vendor AND claims.record = told.record

-- name: hand_over_claims
INSERT INTO claims (vendor, record, candidate, employer, registered, claimed_at, happened_at, event_id, proof, received_at)
SELECT vendor, goes_on, candidate, employer, registered, claimed_at, happened_at, event_id, proof, received_at
FROM claims JOIN unnest($1::text[], $2::text[], $3::text[]) AS merged (vendor, record, goes_on) USING (vendor, record)
ORDER BY vendor, goes_on
ON CONFLICT (vendor, record) DO NOTHING

-- name: hand_over_proposals
INSERT INTO proposals (vendor, record, candidate, told_at, profile, titles, event_id, proof, received_at, answered_at)
SELECT vendor, goes_on, candidate, told_at, profile, titles, event_id, proof, received_at, answered_at
FROM proposals JOIN unnest($1::text[], $2::text[], $3::text[]) AS merged (vendor, record, goes_on) USING (vendor, record)
WHERE EXISTS (
    SELECT FROM claims
    WHERE claims.vendor = proposals.vendor AND claims.record = goes_on AND claims.candidate = proposals.candidate
)
ORDER BY vendor, goes_on
ON CONFLICT (vendor, record) DO NOTHING

-- name: prolong
UPDATE candidates SET stub_until = greatest(stub_until, $2) WHERE candidate = ANY($1::uuid[])

-- name: read_showing
SELECT candidate::text, consent_version, confirmed_at IS NOT NULL AS confirmed, match_granted, paused_until, ends_at,
    profile, profile_version, published, look_again_at, mailbox_gone_at IS NOT NULL AS mailbox_gone, consent_no_at AS no_at,
    consent_lifts_no_until AS lifts_no_until
FROM candidates
WHERE candidate = $1

-- name: lock_showings
SELECT candidate::text, consent_version, confirmed_at IS NOT NULL AS confirmed, match_granted, paused_until, ends_at,
    profile, profile_version, published, look_again_at, mailbox_gone_at IS NOT NULL AS mailbox_gone, consent_no_at AS no_at,
    consent_lifts_no_until AS lifts_no_until
FROM candidates
WHERE candidate = ANY($1::uuid[])
ORDER BY candidates.candidate
FOR UPDATE

-- name: missed_showings
-- What an older version wrote, or a backup brought back: its time is over, and nobody has it to do.
SELECT candidate::text FROM candidates
WHERE look_again_at <= $1
  AND NOT EXISTS (SELECT FROM work WHERE queue = 'showings' AND key = candidates.candidate::text)
ORDER BY look_again_at
LIMIT $2

-- name: save_showings
UPDATE candidates SET
    consent_version = after.consent_version,
    confirmed_at = CASE WHEN after.confirmed THEN coalesce(confirmed_at, $1) END,
    lapse_reason = CASE WHEN after.confirmed THEN NULL ELSE lapse_reason END, -- they had answered
    lapse_asked_at = CASE WHEN after.confirmed THEN NULL ELSE lapse_asked_at END,
    lapsed_at = CASE WHEN after.confirmed THEN NULL ELSE lapsed_at END,
    match_granted = after.match_granted,
    paused_until = after.paused_until,
    ends_at = after.ends_at,
    look_again_at = after.look_again_at,
    profile_version = after.profile_version,
    published = after.published::jsonb,
    profile = after.profile::jsonb,
    consent_no_at = after.no_at,
    consent_lifts_no_until = after.lifts_no_until
FROM unnest(
    $2::uuid[], $3::integer[], $4::boolean[], $5::boolean[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[],
    $9::integer[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[]
) AS after (
    candidate, consent_version, confirmed, match_granted, paused_until, ends_at, look_again_at, profile_version, published,
    profile, no_at, lifts_no_until
)
WHERE candidates.candidate = after.candidate

-- name: note_profile_change
UPDATE candidates SET profile_changed_at = $2 WHERE candidate = $1

-- name: take_profiles_to_tell
WITH due AS (
    SELECT candidate, profile_changed_at FROM candidates
    WHERE profile_changed_at IS NOT NULL AND (profile_told_at IS NULL OR profile_told_at <= $1)
    ORDER BY profile_changed_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE candidates SET profile_changed_at = NULL, profile_told_at = $2 FROM due WHERE candidates.candidate = due.candidate
RETURNING due.candidate::text, due.profile_changed_at AS at

-- name: to_invite
SELECT candidate::text, asked.by_join, candidates.stub_until AS until, introduced_by,
    CASE WHEN asked.by_join THEN asked.at ELSE claimed_at END AS introduced_at
FROM unnest($1::uuid[], $2::boolean[], $3::timestamptz[]) AS asked (candidate, by_join, at) JOIN candidates USING (candidate)
LEFT JOIN LATERAL (
    SELECT coalesce(employer, vendor) AS introduced_by, claimed_at FROM claims
    WHERE claims.candidate = candidates.candidate
    ORDER BY registered DESC, claimed_at LIMIT 1
) AS introduction ON true
WHERE candidates.confirmed_at IS NULL AND candidates.lapse_reason IS NULL AND (candidates.mailbox_gone_at IS NULL OR asked.by_join)
ORDER BY asked.at, candidates.candidate

-- name: past_invitations
SELECT slow_hash, count, last_at, said_no_at, refused_at IS NOT NULL AS refused
FROM invitations WHERE slow_hash = ANY($1::bytea[]) ORDER BY slow_hash FOR UPDATE

-- name: note_invitations
INSERT INTO invitations (slow_hash, count, last_at, pepper, prefix)
SELECT slow_hash, 1, $1, pepper, prefix
FROM unnest($2::bytea[], $3::bytea[], $4::integer[]) AS new (slow_hash, pepper, prefix) ORDER BY slow_hash
ON CONFLICT (slow_hash) DO UPDATE SET count = invitations.count + 1, last_at = excluded.last_at,
    pepper = excluded.pepper, prefix = excluded.prefix

-- name: suspected
-- With one row more, of nothing, while there are hashes of before there were prefixes.
SELECT invitations.pepper, invitations.prefix
FROM unnest($1::bytea[], $2::integer[]) AS asked (pepper, prefix) JOIN invitations USING (pepper, prefix)
UNION (SELECT NULL, NULL FROM invitations WHERE pepper IS NULL LIMIT 1)

-- name: forget_intake_keys
DELETE FROM intake_keys WHERE day < $1

-- name: forget_intake
DELETE FROM intake WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM intake WHERE received_at < $1 ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING 1

-- name: forget_intake_last
DELETE FROM intake_last WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM intake_last WHERE received_at < $1 ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING 1

-- name: forget_page_requests
DELETE FROM page_requests WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM page_requests WHERE asked_at < $1 ORDER BY asked_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING 1

-- name: forget_origins
DELETE FROM page_requests WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM page_requests
    WHERE page IN ('join_from', 'sign_in_from', 'recover_from') AND asked_at < $1 ORDER BY asked_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING 1

-- name: make_intake_key
INSERT INTO intake_keys (day, sealed_key, epoch) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: read_intake_keys
SELECT day, epoch, sealed_key FROM intake_keys WHERE day = ANY($1::date[])

-- name: note_intake
WITH report AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[]) WITH ORDINALITY
        AS told (vendor, event_digest, content_digest, record_digest, place)
), fresh AS (
    INSERT INTO intake (vendor, event_digest, content_digest, received_at)
    SELECT vendor, event_digest, content_digest, $1 FROM report
    ORDER BY vendor, event_digest
    ON CONFLICT DO NOTHING
    RETURNING vendor, event_digest
), first AS MATERIALIZED (
    -- Of each record, so that all are locked here and in one order, whatever else is told of them.
    SELECT DISTINCT ON (vendor, record_digest) vendor, record_digest, content_digest, place
    FROM report JOIN fresh USING (vendor, event_digest)
    WHERE record_digest IS NOT NULL
    ORDER BY vendor, record_digest, place
), changed AS (
    INSERT INTO intake_last (vendor, record_digest, content_digest, received_at)
    SELECT vendor, record_digest, content_digest, $1 FROM first
    ORDER BY vendor, record_digest
    ON CONFLICT (vendor, record_digest) DO UPDATE
    SET content_digest = excluded.content_digest, received_at = excluded.received_at
    WHERE intake_last.content_digest <> excluded.content_digest
    RETURNING vendor, record_digest
)
-- Not known of a further report of a record: it is held against the one before it.
SELECT report.vendor, event_digest,
    CASE WHEN report.record_digest IS NULL THEN true WHEN first.place IS NOT NULL THEN changed.vendor IS NOT NULL END AS says_something_new
FROM report JOIN fresh USING (vendor, event_digest)
LEFT JOIN first ON first.place = report.place
LEFT JOIN changed ON changed.vendor = first.vendor AND changed.record_digest = first.record_digest

-- name: read_intake
SELECT intake.vendor, intake.event_digest, intake.content_digest
FROM intake JOIN unnest($1::text[], $2::bytea[]) AS report (vendor, event_digest) USING (vendor, event_digest)

-- name: note_last_of_record
INSERT INTO intake_last (vendor, record_digest, content_digest, received_at)
SELECT vendor, record_digest, content_digest, $1
FROM unnest($2::text[], $3::bytea[], $4::bytea[]) AS report (vendor, record_digest, content_digest)
ORDER BY vendor, record_digest
ON CONFLICT (vendor, record_digest) DO UPDATE
SET content_digest = excluded.content_digest, received_at = excluded.received_at
WHERE intake_last.content_digest <> excluded.content_digest
RETURNING vendor, record_digest

-- name: add_source
INSERT INTO sources (format, source, vendor, employer, sealed_secret, added_at, epoch) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
RETURNING source

-- name: read_source
SELECT format, source, vendor, employer, epoch, sealed_secret, sealed_previous, previous_until
FROM sources WHERE format = $1 AND source = $2

-- name: lock_source
SELECT format, source, epoch, sealed_secret FROM sources WHERE format = $1 AND source = $2 FOR NO KEY UPDATE

-- name: list_sources
SELECT format, source, vendor, employer, added_at, CASE WHEN previous_until > $1 THEN previous_until END AS previous_until,
    sealed_secret = '' AS is_shut
FROM sources ORDER BY format, source

-- name: rotate_source
UPDATE sources SET sealed_previous = CASE WHEN $4::timestamptz > $5::timestamptz THEN $6::bytea END,
    previous_until = $4, sealed_secret = $3, epoch = $7
WHERE format = $1 AND source = $2
RETURNING employer

-- name: delete_source
DELETE FROM sources WHERE format = $1 AND source = $2 RETURNING employer

-- name: lock_tenants
SELECT pg_advisory_xact_lock(hashtextextended('fairpool tenants', 0))

-- name: note_acts
INSERT INTO operator_log (at, by, act, tenant, reason, mark)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
ON CONFLICT (mark) DO NOTHING

-- name: note_source
INSERT INTO operator_log (at, by, act, tenant, reason) VALUES ($1, $2, $3, $4, $5)

-- name: note_look_up
INSERT INTO operator_log (at, by, act, candidate, reason) VALUES ($1, $2, 'looked_up', $3, $4)

-- name: read_acts
SELECT seq, at, by, act, tenant, candidate::text, reason FROM operator_log
WHERE seq > $1 AND ($2::text IS NULL OR tenant = $2) ORDER BY seq LIMIT $3

-- name: person_by_address
SELECT candidate::text, registered_at, confirmed_at, stub_until, match_granted, paused_until, ends_at
FROM candidates WHERE blind_index = ANY($1::bytea[]) ORDER BY registered_at LIMIT 1

-- name: claims_of
SELECT vendor, employer, record, claimed_at, registered FROM claims WHERE candidate = $1 ORDER BY claimed_at LIMIT 200

-- name: mails_of
SELECT kind, id, purpose, employer, state, attempts, changed_at FROM courier_mails
WHERE candidate = $1 AND state <> 'void' ORDER BY changed_at DESC LIMIT 100

-- name: lock_address
SELECT pg_advisory_xact_lock(hashtextextended(encode($1::bytea, 'hex'), 0))

-- name: count_page_requests
SELECT count(*) FROM page_requests WHERE blind_index = $1 AND page = $2 AND asked_at > $3

-- name: page_requests
SELECT asked_by, asked_at, link_until, page FROM page_requests
WHERE blind_index = $1 AND page IN ('join', 'sign_in', 'email') AND asked_at > $3 AND (asked_by = $2 OR link_until IS NOT NULL)
ORDER BY asked_at DESC LIMIT 1000

-- name: note_page_request
INSERT INTO page_requests (blind_index, page, asked_at, asked_by, link_until, is_new_link) VALUES ($1, $2, $3, $4, $5, $6)

-- name: confirmed_by_address
SELECT candidate::text, consent_no_at,
    greatest((SELECT max(made_at) FROM sessions WHERE sessions.candidate = candidates.candidate), email_since, links_from) AS used_at
FROM candidates WHERE blind_index = ANY($1::bytea[]) AND confirmed_at IS NOT NULL

-- name: candidates_after
SELECT candidate::text FROM candidates WHERE candidate > $1 ORDER BY candidates.candidate LIMIT $2

-- name: profiles_behind
SELECT candidate::text, profile_version, published FROM pg_temp.read_back JOIN candidates ON candidate = id
WHERE profile_version > read_back.version
ORDER BY candidates.candidate FOR UPDATE OF candidates

-- name: profiles_ahead
SELECT count(*) FROM pg_temp.read_back
LEFT JOIN candidates ON candidates.candidate = id
LEFT JOIN erased ON erased.candidate = id
WHERE read_back.highest > coalesce(profile_version, 0) AND erased.candidate IS NULL

-- name: identities_after
SELECT candidate::text FROM identities WHERE candidate > $1 ORDER BY identities.candidate LIMIT $2

-- name: keys_behind
SELECT candidate::text, identities.version, public_key FROM pg_temp.read_back JOIN identities ON candidate = id
WHERE identities.version > read_back.version
ORDER BY identities.candidate FOR UPDATE OF identities

-- name: keys_ahead
SELECT count(*) FROM pg_temp.read_back
LEFT JOIN identities ON identities.candidate = id
LEFT JOIN erased ON erased.candidate = id
WHERE read_back.highest > coalesce(identities.version, 0) AND erased.candidate IS NULL

-- name: keys_orphaned
SELECT key FROM pg_temp.read_back LEFT JOIN identities ON candidate = id
WHERE read_back.version <> 0 AND candidate IS NULL
ORDER BY key
