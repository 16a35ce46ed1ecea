-- part: consent
consents.candidate, consents.principal, consents.version, consents.purposes, consents.sectors,
    consents.blocked_employers, consents.blocked_names, consents.first_contacts_per_week, consents.min_gap_hours,
    consents.quiet_start, consents.quiet_end, consents.time_zone, consents.paused_until, consents.ends_at,
    consents.leaf, consents.receipt, consents.outbox_id, consents.granted_at, consents.statement, consents.said_at,
    consents.stopped_at, consents.agreement, consents.language, consents.own_end, consents.closed_at,
    consents.changed_at

-- part: attempt
attempts.link, attempts.candidate, attempts.employer, attempts.scope, attempts.outcome, attempts.at,
    attempts.expires_at, attempts.stopped_all, attempts.stopped_employer

-- name: register
INSERT INTO consents (candidate, principal)
SELECT candidate, principal FROM unnest($1::text[], $2::text[]) AS new (candidate, principal) ORDER BY candidate
ON CONFLICT (candidate) DO NOTHING

-- name: read
-- One row, also of nobody who is known: whether a session was ended does not depend on that.
SELECT :consent, EXISTS (SELECT FROM ended_sessions WHERE session = $2) AS session_ended,
    (SELECT before FROM void_links WHERE void_links.candidate = $1) AS links_from
FROM (SELECT $1::text AS asked) AS whose LEFT JOIN consents ON candidate = asked

-- name: lock
SELECT :consent, EXISTS (SELECT FROM ended_sessions WHERE session = $2) AS session_ended,
    (SELECT before FROM void_links WHERE void_links.candidate = $1) AS links_from
FROM consents WHERE candidate = $1 FOR UPDATE OF consents

-- name: end_sessions
-- Of whoever is closed nothing is noted: nothing of theirs opens anything.
INSERT INTO ended_sessions (session, candidate, expires_at)
SELECT session, candidate, expires_at FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS new (session, candidate, expires_at)
WHERE expires_at > $4
    AND NOT EXISTS (SELECT FROM consents WHERE consents.candidate = new.candidate AND closed_at IS NOT NULL)
ORDER BY session
ON CONFLICT (session) DO NOTHING

-- name: forget_ended_sessions
DELETE FROM ended_sessions WHERE session IN (
    SELECT session FROM ended_sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
)

-- name: void_links
-- Of whoever is closed nothing is noted: nothing of theirs opens anything. Told again, or out of order, the latest stays.
INSERT INTO void_links (candidate, before, until)
SELECT candidate, max(before), max(until)
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS new (candidate, before, until)
WHERE until > $4
    AND NOT EXISTS (SELECT FROM consents WHERE consents.candidate = new.candidate AND closed_at IS NOT NULL)
GROUP BY candidate ORDER BY candidate
ON CONFLICT (candidate) DO UPDATE SET before = greatest(void_links.before, excluded.before),
    until = greatest(void_links.until, excluded.until)

-- name: forget_void_links
DELETE FROM void_links WHERE candidate IN (
    SELECT candidate FROM void_links WHERE until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED
)

-- name: append
-- A leaf stands under the person's principal, also where the column has an older name: only `consents` ties the two.
WITH entry AS (
    INSERT INTO ledger (candidate, version, leaf, previous, at)
    SELECT principal, $2, $3, leaf, $4 FROM consents WHERE candidate = $1 AND version = $2::bigint - 1
    RETURNING seq
), opening AS (
    INSERT INTO ledger_openings (seq, nonce) SELECT seq, $5 FROM entry
), receipt AS (
    INSERT INTO receipts (id, seq, document) SELECT $6, seq, $7::json FROM entry
)
UPDATE consents SET
    version = $2, leaf = $3, changed_at = $4, receipt = $6, outbox_id = $8, purposes = $9, sectors = $10,
    blocked_employers = $11, first_contacts_per_week = $12, min_gap_hours = $13, quiet_start = $14, quiet_end = $15,
    time_zone = $16, paused_until = $17, ends_at = $18,
    granted_at = CASE WHEN $19 THEN $4 ELSE granted_at END, blocked_names = $20, blocked_keys = $21,
    statement = $22::jsonb, said_at = $23, stopped_at = $24, agreement = $25, language = $26,
    text_asked = greatest(text_asked, $25), own_end = $27, remind_at = $28
WHERE candidate = $1 AND version = $2::bigint - 1
RETURNING :consent

-- name: ledger_can_be_rewritten
-- By whoever asks: because the table is theirs, or the database with everything in it, or because they may.
SELECT pg_has_role(relowner, 'MEMBER') OR pg_has_role(datdba, 'MEMBER') OR has_table_privilege(pg_class.oid, 'UPDATE')
    OR has_table_privilege(pg_class.oid, 'DELETE') OR has_table_privilege(pg_class.oid, 'TRUNCATE')
FROM pg_class, pg_database WHERE pg_class.oid = 'ledger'::regclass AND datname = current_database()

-- name: receipt
SELECT receipts.document, ledger_openings.nonce
FROM receipts JOIN ledger USING (seq) LEFT JOIN ledger_openings USING (seq)
WHERE receipts.id = $1
    AND ledger.candidate IN (SELECT unnest(ARRAY[principal, candidate]) FROM consents WHERE candidate = $2)

-- name: receipts
-- The latest first, of versions lower than one.
SELECT receipts.document, ledger_openings.nonce
FROM ledger JOIN receipts USING (seq) LEFT JOIN ledger_openings USING (seq)
WHERE ledger.candidate IN (SELECT unnest(ARRAY[principal, candidate]) FROM consents WHERE candidate = $1)
    AND ($2::bigint IS NULL OR ledger.version < $2)
ORDER BY ledger.version DESC LIMIT $3

-- name: note_attempt
INSERT INTO attempts (link, candidate, employer, scope, outcome, at, expires_at, stopped_all, stopped_employer)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (link) DO UPDATE SET
    scope = excluded.scope, outcome = excluded.outcome, at = excluded.at,
    stopped_all = attempts.stopped_all OR excluded.stopped_all,
    stopped_employer = attempts.stopped_employer OR excluded.stopped_employer

-- name: attempt
SELECT :attempt FROM attempts WHERE link = $1

-- name: attempts
SELECT :attempt FROM attempts WHERE candidate = $1 ORDER BY at DESC, link LIMIT $2

-- name: forget_attempts
DELETE FROM attempts WHERE link IN (
    SELECT link FROM attempts WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
)

-- name: tell_later
-- Before the change itself is noted: whoever tells holds this row first, too.
INSERT INTO tellings (candidate, due_at) VALUES ($1, $2)
ON CONFLICT (candidate) DO UPDATE SET due_at = coalesce(tellings.due_at, greatest($2, tellings.told_at + $3::interval))

-- name: note_change
INSERT INTO changes_to_tell (candidate, what, employer, at, switched_on, by_name) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (candidate, what, employer) DO UPDATE SET
    at = excluded.at, by_name = excluded.by_name,
    switched_on = ARRAY(SELECT DISTINCT unnest(changes_to_tell.switched_on || excluded.switched_on))

-- name: may_ask_to_stop
INSERT INTO tellings (candidate, stop_asked_at) VALUES ($1, $2)
ON CONFLICT (candidate) DO UPDATE SET stop_asked_at = $2
WHERE tellings.stop_asked_at IS NULL OR tellings.stop_asked_at <= $2 - $3::interval
RETURNING candidate

-- name: may_ask_whether_hired
INSERT INTO tellings (candidate, hired_asked_at) VALUES ($1, $2)
ON CONFLICT (candidate) DO UPDATE SET hired_asked_at = $2
WHERE tellings.hired_asked_at IS NULL OR tellings.hired_asked_at <= $2 - $3::interval
RETURNING candidate

-- name: whom_to_ask_again
SELECT :consent FROM consents WHERE purposes <> '{}' AND text_asked < $1 ORDER BY text_asked, candidate LIMIT $2 FOR UPDATE SKIP LOCKED

-- name: note_asked
UPDATE consents SET text_asked = $2 WHERE candidate = ANY($1::text[])

-- name: whom_to_remind
SELECT :consent FROM consents WHERE remind_at <= $1 ORDER BY remind_at LIMIT $2 FOR UPDATE SKIP LOCKED

-- name: note_reminded
UPDATE consents SET remind_at = noted.remind_at
FROM unnest($1::text[], $2::timestamptz[]) AS noted (candidate, remind_at) WHERE consents.candidate = noted.candidate

-- name: take_tellings
UPDATE tellings SET due_at = NULL, told_at = $1 WHERE candidate IN (
    SELECT candidate FROM tellings WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING candidate

-- name: take_changes
DELETE FROM changes_to_tell WHERE candidate = ANY($1::text[]) RETURNING candidate, what, employer, at, switched_on, by_name

-- name: begin_erasure
SELECT pg_advisory_xact_lock($1)

-- name: close_unanswered
INSERT INTO consents (candidate, principal, closed_at)
SELECT candidate, principal, $1 FROM unnest($2::text[], $3::text[]) AS lapsed (candidate, principal) ORDER BY candidate
ON CONFLICT (candidate) DO UPDATE SET closed_at = coalesce(consents.closed_at, excluded.closed_at)
    WHERE consents.version = 0 OR consents.closed_at IS NOT NULL
RETURNING candidate

-- name: close
INSERT INTO consents (candidate, principal, closed_at)
SELECT candidate, principal, $1 FROM unnest($2::text[], $3::text[]) AS erased (candidate, principal) ORDER BY candidate
ON CONFLICT (candidate) DO UPDATE SET closed_at = coalesce(consents.closed_at, excluded.closed_at)

-- name: consents_after
SELECT candidate FROM consents WHERE candidate > $1 ORDER BY candidate LIMIT $2

-- name: behind
SELECT :consent FROM pg_temp.read_back JOIN consents ON candidate = key COLLATE "default"
WHERE consents.version > read_back.version
    AND ($1 OR consents.statement IS NOT NULL OR consents.purposes = '{}') -- nobody would believe it
ORDER BY candidate FOR UPDATE OF consents

-- name: ahead
-- Who said something and is gone is not counted: all that a topic can have missed of them ended with their erasure, which everybody
-- takes in any order. Who lapsed without an answer is: a yes may be on the topic.
SELECT count(*) FROM pg_temp.read_back LEFT JOIN consents ON candidate = key COLLATE "default"
WHERE read_back.highest > coalesce(consents.version, 0) AND (consents.version > 0 AND consents.closed_at IS NOT NULL) IS NOT TRUE

-- name: erased_and_open
SELECT key AS candidate FROM pg_temp.read_back LEFT JOIN consents ON candidate = key COLLATE "default"
WHERE read_back.version <> 0 AND closed_at IS NULL
ORDER BY key LIMIT $1

-- name: introduce
INSERT INTO introductions (candidate, teller, at)
SELECT candidate, teller, at FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS new (candidate, teller, at)
WHERE NOT EXISTS (SELECT FROM consents WHERE consents.candidate = new.candidate AND closed_at IS NOT NULL)
ORDER BY candidate
ON CONFLICT (candidate) DO UPDATE SET teller = excluded.teller, at = excluded.at WHERE excluded.at < introductions.at

-- name: introduction
SELECT candidate, teller, at FROM introductions WHERE candidate = $1

-- name: keep_employers
INSERT INTO employers (employer, version, keys, blocks_until)
SELECT employer, version, string_to_array(keys, E'\n'), $4
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS new (employer, version, keys) ORDER BY employer
ON CONFLICT (employer) DO UPDATE SET
    version = excluded.version, keys = excluded.keys,
    blocks_until = CASE WHEN employers.keys = excluded.keys THEN employers.blocks_until ELSE excluded.blocks_until END
WHERE employers.version < excluded.version
RETURNING employer, blocks_until

-- name: employers_named
SELECT employer FROM employers WHERE keys && $1::text[] ORDER BY employer

-- name: blocking
SELECT employer, keys, blocks_until FROM employers WHERE employer = $1 AND blocks_until IS NOT NULL FOR UPDATE

-- name: who_named
SELECT :consent FROM consents
WHERE blocked_keys <> '{}' AND blocked_keys && $2::text[] AND closed_at IS NULL AND NOT blocked_employers @> ARRAY[$1::text]
ORDER BY candidate LIMIT $3 FOR UPDATE

-- name: end_blocking
UPDATE employers SET blocks_until = NULL WHERE employer = $1

-- name: last_words
-- Of whoever is being erased and had answered: what `consent-state` is to say of them from now on.
SELECT candidate, version + 1 AS version, purposes <> '{}' AS stops, stopped_at FROM consents WHERE candidate = ANY($1::text[]) AND version > 0 AND leaf <> ''
ORDER BY candidate

-- name: forget_person
-- What opens their leaves goes, and what ties them to the ledger; an empty leaf says that their chain has ended.
WITH leaves AS (
    SELECT seq FROM ledger JOIN consents ON ledger.candidate IN (consents.principal, consents.candidate)
    WHERE consents.candidate = ANY($1::text[])
), openings AS (
    DELETE FROM ledger_openings WHERE seq = ANY(ARRAY(SELECT seq FROM leaves))
), documents AS (
    DELETE FROM receipts WHERE seq = ANY(ARRAY(SELECT seq FROM leaves))
), uses AS (
    DELETE FROM attempts WHERE candidate = ANY($1::text[])
), changes AS (
    DELETE FROM changes_to_tell WHERE candidate = ANY($1::text[])
), introduction AS (
    DELETE FROM introductions WHERE candidate = ANY($1::text[])
), telling AS (
    DELETE FROM tellings WHERE candidate = ANY($1::text[])
), sessions AS (
    DELETE FROM ended_sessions WHERE candidate = ANY($1::text[])
), links AS (
    DELETE FROM void_links WHERE candidate = ANY($1::text[])
)
UPDATE consents SET
    principal = NULL, version = version + (version > 0 AND leaf <> '')::int, leaf = CASE WHEN version > 0 THEN ''::bytea END,
    changed_at = CASE WHEN version > 0 THEN closed_at END, granted_at = NULL, receipt = NULL, outbox_id = NULL,
    purposes = '{}', sectors = '{}', blocked_employers = '{}', blocked_names = '{}', blocked_keys = '{}',
    first_contacts_per_week = NULL, min_gap_hours = NULL, quiet_start = NULL, quiet_end = NULL, time_zone = NULL,
    paused_until = NULL, ends_at = NULL, statement = NULL, said_at = NULL, stopped_at = NULL, agreement = NULL,
    language = NULL, text_asked = NULL, own_end = NULL, remind_at = NULL
WHERE candidate = ANY($1::text[])
