-- name: person
SELECT candidate::text, registered_at, confirmed_at, stub_until AS kept_until, mailbox_gone_at, profile, published,
    email_since, locale AS language,
    (SELECT time_zone FROM courier_consent WHERE courier_consent.candidate = candidates.candidate::text) AS time_zone
FROM candidates WHERE candidate = $1

-- name: claims
SELECT vendor, record, employer, claimed_at, registered, happened_at, event_id, proof, received_at
FROM claims WHERE candidate = $1 ORDER BY claimed_at DESC, vendor, record LIMIT $2

-- name: denied
SELECT vendor, record, employer, said_at FROM not_theirs WHERE candidate = $1 ORDER BY said_at DESC LIMIT $2

-- name: intake
SELECT vendor, record, nullif(kept_reports.employer, '') AS employer, kind AS change, kept_at
FROM claims JOIN kept_reports USING (vendor, record)
WHERE claims.candidate = $1 ORDER BY kept_at DESC LIMIT $2

-- name: mails
SELECT kind, purpose, employer, state, changed_at FROM courier_mails
WHERE candidate = $1 AND state <> 'void' ORDER BY changed_at DESC LIMIT $2

-- name: looked_at
SELECT at, act, reason FROM operator_log WHERE candidate = $1 ORDER BY at DESC LIMIT $2

-- name: email_change
SELECT state, until, sealed, new_said, old_said FROM email_changes WHERE candidate = $1

-- name: recovery_code
SELECT made_at, spent_at FROM recovery_codes WHERE candidate = $1 LIMIT $2

-- name: sessions
-- Also those that are over: the row stays until its link could not be spent again anyway.
SELECT made_at AS since, expires_at AS until, browser, ended_at, kept_until FROM sessions
WHERE candidate = $1 ORDER BY made_at DESC, name LIMIT $2

-- name: exports
SELECT name, state, asked_at, ends_at, ready_at, size FROM exports WHERE candidate = $1 ORDER BY asked_at DESC, name LIMIT $2
