-- part: message
messages.outreach, messages.candidate, messages.employer, messages.began_at, messages.ends_at, messages.wished_at,
    messages.sealed_job, messages.decision_version, messages.outcome, messages.rule, messages.policy,
    messages.decided_at, messages.slot_at, messages.report_version, messages.reported, messages.reported_at,
    messages.sender_suspended

-- name: hold_erasures
SELECT pg_advisory_xact_lock_shared($1)

-- name: keep_decisions
-- The newest of each wins; nothing of whoever is closed. What was reported of it is left as it is.
INSERT INTO messages AS kept (outreach, candidate, employer, began_at, ends_at, decision_version, outcome, rule, policy, decided_at, slot_at, sealed_job)
SELECT outreach, candidate, employer, began_at, ends_at, decision_version, outcome, rule, policy, decided_at, slot_at, sealed_job
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::integer[], $7::text[], $8::text[],
            $9::text[], $10::timestamptz[], $11::timestamptz[], $12::text[])
    AS new (outreach, candidate, employer, began_at, ends_at, decision_version, outcome, rule, policy, decided_at, slot_at, sealed_job)
WHERE NOT EXISTS (SELECT FROM consents WHERE consents.candidate = new.candidate AND closed_at IS NOT NULL)
ORDER BY outreach
ON CONFLICT (outreach) DO UPDATE SET
    began_at = least(kept.began_at, excluded.began_at), ends_at = coalesce(excluded.ends_at, kept.ends_at), decision_version = excluded.decision_version,
    outcome = excluded.outcome, rule = excluded.rule, policy = excluded.policy, decided_at = excluded.decided_at,
    slot_at = excluded.slot_at, sealed_job = excluded.sealed_job
WHERE kept.decision_version < excluded.decision_version

-- name: keep_reports
-- The same of what became of it.
INSERT INTO messages AS kept (outreach, candidate, employer, began_at, report_version, reported, reported_at, sender_suspended)
SELECT outreach, candidate, employer, reported_at, report_version, reported, reported_at, sender_suspended
FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[], $7::boolean[])
    AS new (outreach, candidate, employer, report_version, reported, reported_at, sender_suspended)
WHERE NOT EXISTS (SELECT FROM consents WHERE consents.candidate = new.candidate AND closed_at IS NOT NULL)
ORDER BY outreach
ON CONFLICT (outreach) DO UPDATE SET
    report_version = excluded.report_version, reported = excluded.reported, reported_at = excluded.reported_at,
    sender_suspended = excluded.sender_suspended
WHERE kept.report_version < excluded.report_version

-- name: keep_policies
INSERT INTO policies (policy, numbers) SELECT policy, numbers::jsonb FROM unnest($1::text[], $2::text[]) AS new (policy, numbers)
ORDER BY policy ON CONFLICT (policy) DO NOTHING

-- name: messages
-- A page of one person's, the latest first, from after this one.
SELECT :message FROM messages
WHERE candidate = $1 AND (began_at, outreach) < ($2, $3) ORDER BY began_at DESC, outreach DESC LIMIT $4

-- name: messages_since
SELECT :message FROM messages WHERE candidate = $1 AND began_at > $2 ORDER BY began_at DESC, outreach DESC LIMIT $3

-- name: lock_message
SELECT :message FROM messages WHERE outreach = $1 AND candidate = $2 FOR UPDATE

-- name: note_wish
UPDATE messages SET wished_at = $2 WHERE outreach = $1

-- name: numbers
SELECT numbers FROM policies WHERE policy = $1

-- name: forget_messages
DELETE FROM messages WHERE outreach IN (
    SELECT outreach FROM messages WHERE began_at <= $1 ORDER BY began_at LIMIT $2 FOR UPDATE SKIP LOCKED
)

-- name: forget_messages_of
DELETE FROM messages WHERE candidate = ANY($1::text[])
