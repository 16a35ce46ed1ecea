-- name: known
SELECT kind, id, candidate, employer, purpose, version, admitted, sealed, good_until, state, attempts, trace,
    introduced_by, introduced_at, changes, grant_notice
FROM courier_mails
WHERE kind = 'outreach' AND id = ANY($1::text[])
ORDER BY id
FOR UPDATE

-- name: add
INSERT INTO courier_mails
    (kind, id, candidate, employer, purpose, introduced_by, version, admitted, sealed, good_until, state, trace,
    introduced_at, changes, grant_notice, lane, flow, not_before)
SELECT kind, id, candidate, employer, purpose, introduced_by, version, admitted, sealed, good_until, state, trace,
    introduced_at, changes::jsonb, grant_notice::jsonb, lane, flow, $18
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::boolean[], $9::text[],
    $10::timestamptz[], $11::text[], $12::text[], $13::timestamptz[], $14::text[], $15::text[], $16::smallint[],
    $17::integer[]
) AS mail (kind, id, candidate, employer, purpose, introduced_by, version, admitted, sealed, good_until, state, trace,
    introduced_at, changes, grant_notice, lane, flow)
ORDER BY kind, id
ON CONFLICT DO NOTHING
RETURNING kind

-- name: change
UPDATE courier_mails AS known
SET candidate = mail.candidate, employer = mail.employer, version = mail.version, admitted = mail.admitted,
    sealed = CASE WHEN mail.state IN ('ready', 'sending') THEN mail.sealed END,
    good_until = mail.good_until, state = mail.state, trace = mail.trace, not_before = $16, attempts = 0, changed_at = now(),
    courier = CASE WHEN mail.state = 'sending' THEN known.courier END
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::boolean[], $9::text[],
    $10::timestamptz[], $11::text[], $12::text[], $13::timestamptz[], $14::text[], $15::text[]
) AS mail (kind, id, candidate, employer, purpose, introduced_by, version, admitted, sealed, good_until, state, trace,
    introduced_at, changes, grant_notice)
WHERE known.kind = mail.kind AND known.id = mail.id

-- name: keep_consents
-- Answers whose yes it did not take: by a link from before a no. Of an older version only its no is kept, and done.
WITH consent AS (
    SELECT candidate, version, ARRAY(SELECT jsonb_array_elements_text(purposes::jsonb)) AS purposes,
        ARRAY(SELECT jsonb_array_elements_text(blocked_employers::jsonb)) AS blocked_employers, paused_until, ends_at, time_zone,
        lifts_no_until, no_at
    FROM unnest(
        $1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::timestamptz[],
        $9::timestamptz[]
    ) AS new (
        candidate, version, purposes, blocked_employers, paused_until, ends_at, time_zone, lifts_no_until, no_at
    )
), written AS (
INSERT INTO courier_consent AS kept (
    candidate, version, purposes, blocked_employers, paused_until, ends_at, time_zone, lifts_no_until, no_at
)
SELECT * FROM consent
WHERE NOT EXISTS (
    SELECT FROM erased
    WHERE erased.candidate = CASE WHEN consent.candidate ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN consent.candidate::uuid END
)
ORDER BY candidate
ON CONFLICT (candidate) DO UPDATE
SET version = greatest(kept.version, excluded.version),
    purposes = CASE WHEN kept.version < excluded.version THEN excluded.purposes
        WHEN excluded.no_at > coalesce(kept.lifts_no_until, '-infinity')
        THEN ARRAY(SELECT unnest(kept.purposes) INTERSECT SELECT unnest(excluded.purposes))
        ELSE kept.purposes END,
    blocked_employers = CASE WHEN kept.version < excluded.version THEN excluded.blocked_employers ELSE kept.blocked_employers END,
    paused_until = CASE WHEN kept.version < excluded.version THEN excluded.paused_until ELSE kept.paused_until END,
    ends_at = CASE WHEN kept.version < excluded.version THEN excluded.ends_at ELSE kept.ends_at END,
    time_zone = CASE WHEN kept.version < excluded.version THEN excluded.time_zone ELSE kept.time_zone END,
    lifts_no_until = CASE WHEN kept.version < excluded.version THEN excluded.lifts_no_until ELSE kept.lifts_no_until END,
    no_at = greatest(kept.no_at, excluded.no_at)
WHERE CASE WHEN kept.version < excluded.version
    THEN excluded.purposes <@ kept.purposes OR kept.no_at IS NULL OR excluded.lifts_no_until >= kept.no_at
    ELSE excluded.no_at > coalesce(kept.no_at, '-infinity')
        OR NOT kept.purposes <@ excluded.purposes AND excluded.no_at > coalesce(kept.lifts_no_until, '-infinity')
END
)
SELECT candidate FROM consent JOIN courier_consent AS kept USING (candidate)
WHERE kept.version < consent.version AND NOT consent.purposes <@ kept.purposes
  AND kept.no_at IS NOT NULL AND (consent.lifts_no_until >= kept.no_at) IS NOT TRUE

-- name: hold_consents
LOCK TABLE courier_consent IN SHARE ROW EXCLUSIVE MODE

-- name: forget_consents
DELETE FROM courier_consent WHERE candidate = ANY($1::text[])

-- name: blank_mails
-- What waits to be sent, or is being sent, ends by itself: there is nobody in the vault to send it to.
UPDATE courier_mails SET changes = '[]', grant_notice = NULL, introduced_by = NULL, introduced_at = NULL, detail = NULL, trace = NULL
WHERE candidate = ANY($1::text[]) AND state NOT IN ('claimed', 'sending')

-- name: erased_unheard
SELECT key AS candidate FROM pg_temp.read_back
WHERE version <> 0 AND id IS NOT NULL AND (
    EXISTS (SELECT FROM courier_consent WHERE courier_consent.candidate = key COLLATE "default")
    OR EXISTS (SELECT FROM courier_mails WHERE courier_mails.candidate = key COLLATE "default")
) ORDER BY key LIMIT $1

-- name: keep_positions
INSERT INTO courier_consent_positions (partition, next_offset)
SELECT partition, next_offset FROM unnest($1::integer[], $2::bigint[]) AS reached (partition, next_offset)
ORDER BY partition
ON CONFLICT (partition) DO UPDATE
SET next_offset = greatest(courier_consent_positions.next_offset, excluded.next_offset)

-- name: positions
SELECT partition, next_offset FROM courier_consent_positions

-- name: next_due
-- A mail whose own time ends is over from the moment after.
SELECT least(
    (SELECT not_before FROM courier_mails WHERE state = 'ready' AND lane = 0 ORDER BY not_before LIMIT 1),
    (SELECT not_before FROM courier_mails WHERE state = 'ready' AND lane = 1 ORDER BY not_before LIMIT 1),
    (SELECT not_before FROM courier_mails WHERE state = 'ready' AND lane = 2 ORDER BY not_before LIMIT 1),
    (SELECT good_until FROM courier_mails WHERE state = 'ready' ORDER BY good_until LIMIT 1) + interval '1 microsecond'
)

-- name: claim_over
SELECT kind, id, candidate, employer, purpose, version, admitted, sealed, good_until, state, attempts, trace,
    introduced_by, introduced_at, changes, grant_notice
FROM courier_mails
WHERE state = 'ready' AND good_until < $1
ORDER BY good_until
LIMIT $2
FOR UPDATE SKIP LOCKED

-- name: claim
-- What is over, and what somebody waits for. Of outreach and of other notices, by halves, each sender who has mails that are due (64 of
-- them, from a place that is chance) has the same share, and what is left goes to who has waited longest. Senders are found among the
-- oldest 10,000 mails that are due; where there are more, also by going from one to the next, past up to 1,024.
WITH RECURSIVE over AS MATERIALIZED (
    SELECT kind, id, candidate, employer, purpose, version, admitted, sealed, good_until, state, attempts, trace,
        introduced_by, introduced_at, changes, grant_notice
    FROM courier_mails
    WHERE state = 'ready' AND good_until < $1
    ORDER BY good_until
    LIMIT $2
    FOR UPDATE SKIP LOCKED
), urgent AS MATERIALIZED (
    SELECT kind, id, candidate, employer, purpose, version, admitted, sealed, good_until, state, attempts, trace,
        introduced_by, introduced_at, changes, grant_notice
    FROM courier_mails
    WHERE state = 'ready' AND lane = 0 AND not_before <= $1 AND good_until >= $1
    ORDER BY not_before
    LIMIT $2 - (SELECT count(*) FROM over)
    FOR UPDATE SKIP LOCKED
), room AS MATERIALIZED (
    SELECT $2 - (SELECT count(*) FROM over) - (SELECT count(*) FROM urgent) AS mails
), oldest AS MATERIALIZED (
    SELECT lanes.lane, due.flow
    FROM (VALUES (1::smallint), (2::smallint)) AS lanes (lane)
    CROSS JOIN LATERAL (
        SELECT flow FROM courier_mails
        WHERE state = 'ready' AND lane = lanes.lane AND not_before <= $1 AND good_until >= $1
        ORDER BY not_before
        LIMIT 10000
    ) AS due
    WHERE (lanes.lane = 1 OR $3) AND (SELECT mails FROM room) > 0
), walk (lane, flow, is_due, first, passed, found) AS (
    SELECT lanes.lane, begin.flow, begin.not_before <= $1, begin.flow, 1, (begin.not_before <= $1)::integer
    FROM (VALUES (1::smallint), (2::smallint)) AS lanes (lane)
    CROSS JOIN LATERAL (
        (SELECT flow, not_before FROM courier_mails
         WHERE state = 'ready' AND lane = lanes.lane AND good_until >= $1 AND flow >= $4 ORDER BY flow, not_before LIMIT 1)
        UNION ALL
        (SELECT flow, not_before FROM courier_mails
         WHERE state = 'ready' AND lane = lanes.lane AND good_until >= $1 ORDER BY flow, not_before LIMIT 1)
        LIMIT 1
    ) AS begin
    WHERE (SELECT count(*) FROM oldest WHERE oldest.lane = lanes.lane) = 10000
    UNION ALL
    SELECT walk.lane, following.flow, following.not_before <= $1, walk.first, walk.passed + 1,
        walk.found + (following.not_before <= $1)::integer
    FROM walk
    CROSS JOIN LATERAL (
        (SELECT flow, not_before FROM courier_mails
         WHERE state = 'ready' AND lane = walk.lane AND good_until >= $1 AND flow > walk.flow ORDER BY flow, not_before LIMIT 1)
        UNION ALL
        (SELECT flow, not_before FROM courier_mails
         WHERE state = 'ready' AND lane = walk.lane AND good_until >= $1 ORDER BY flow, not_before LIMIT 1)
        LIMIT 1
    ) AS following
    WHERE walk.passed < 1024 AND walk.found < 64 AND following.flow <> walk.first
), flows AS MATERIALIZED (
    SELECT lanes.lane, theirs.flow
    FROM (VALUES (1::smallint), (2::smallint)) AS lanes (lane)
    CROSS JOIN LATERAL (
        SELECT flow
        FROM (
            SELECT flow FROM oldest WHERE oldest.lane = lanes.lane
            UNION SELECT flow FROM walk WHERE walk.lane = lanes.lane AND is_due
        ) AS found
        ORDER BY flow < $4, flow
        LIMIT 64
    ) AS theirs
), half AS MATERIALIZED (
    SELECT CASE WHEN $3 THEN (mails + 1) / 2 ELSE 0 END AS mails FROM room
), outreach_by_turns AS MATERIALIZED (
    SELECT mine.*
    FROM flows
    CROSS JOIN LATERAL (
        SELECT kind, id, candidate, employer, purpose, version, admitted, sealed, good_until, state, attempts, trace,
            introduced_by, introduced_at, changes, grant_notice
        FROM courier_mails
        WHERE state = 'ready' AND lane = 2 AND flow = flows.flow AND not_before <= $1 AND good_until >= $1
        ORDER BY not_before
        LIMIT greatest((SELECT mails FROM half) / (SELECT count(*) FROM flows WHERE lane = 2), 1)
        FOR UPDATE SKIP LOCKED
    ) AS mine
    WHERE flows.lane = 2
    LIMIT (SELECT mails FROM half)
), outreach_left AS MATERIALIZED (
    SELECT kind, id, candidate, employer, purpose, version, admitted, sealed, good_until, state, attempts, trace,
        introduced_by, introduced_at, changes, grant_notice
    FROM courier_mails
    WHERE state = 'ready' AND lane = 2 AND not_before <= $1 AND good_until >= $1
      AND id <> ALL(ARRAY(SELECT id FROM outreach_by_turns))
    ORDER BY not_before
    LIMIT (SELECT mails FROM half) - (SELECT count(*) FROM outreach_by_turns)
    FOR UPDATE SKIP LOCKED
), rest AS MATERIALIZED (
    SELECT mails - (SELECT count(*) FROM outreach_by_turns) - (SELECT count(*) FROM outreach_left) AS mails FROM room
), notices_by_turns AS MATERIALIZED (
    SELECT mine.*
    FROM flows
    CROSS JOIN LATERAL (
        SELECT kind, id, candidate, employer, purpose, version, admitted, sealed, good_until, state, attempts, trace,
            introduced_by, introduced_at, changes, grant_notice
        FROM courier_mails
        WHERE state = 'ready' AND lane = 1 AND flow = flows.flow AND not_before <= $1 AND good_until >= $1
        ORDER BY not_before
        LIMIT greatest((SELECT mails FROM rest) / (SELECT count(*) FROM flows WHERE lane = 1), 1)
        FOR UPDATE SKIP LOCKED
    ) AS mine
    WHERE flows.lane = 1
    LIMIT (SELECT mails FROM rest)
), notices_left AS MATERIALIZED (
    SELECT kind, id, candidate, employer, purpose, version, admitted, sealed, good_until, state, attempts, trace,
        introduced_by, introduced_at, changes, grant_notice
    FROM courier_mails
    WHERE state = 'ready' AND lane = 1 AND not_before <= $1 AND good_until >= $1
      AND id <> ALL(ARRAY(SELECT id FROM notices_by_turns))
    ORDER BY not_before
    LIMIT (SELECT mails FROM rest) - (SELECT count(*) FROM notices_by_turns)
    FOR UPDATE SKIP LOCKED
)
SELECT * FROM over UNION ALL SELECT * FROM urgent
UNION ALL SELECT * FROM outreach_by_turns UNION ALL SELECT * FROM outreach_left
UNION ALL SELECT * FROM notices_by_turns UNION ALL SELECT * FROM notices_left

-- name: gone
SELECT candidate::text FROM candidates WHERE candidate = ANY($1::uuid[]) AND mailbox_gone_at IS NOT NULL

-- name: note_mailboxes
UPDATE candidates
SET mailbox_gone_at = CASE WHEN reachable THEN NULL ELSE $1::timestamptz END, mailbox_version = mailbox_version + 1,
    look_again_at = $1::timestamptz
FROM (
    SELECT known.candidate, word.reachable
    FROM candidates AS known
    JOIN unnest($2::uuid[], $3::boolean[]) AS word (candidate, reachable) USING (candidate)
    WHERE (known.mailbox_gone_at IS NULL) <> word.reachable
    ORDER BY known.candidate
    FOR UPDATE OF known
) AS news
WHERE candidates.candidate = news.candidate
RETURNING candidates.candidate::text, mailbox_version AS version, mailbox_gone_at IS NULL AS reachable

-- name: email_changes
SELECT candidate::text, id, sealed FROM email_changes WHERE candidate = ANY($1::uuid[])

-- name: consents
SELECT candidate, version, purposes, blocked_employers, paused_until, ends_at, time_zone
FROM courier_consent
WHERE candidate = ANY($1::text[])

-- name: take
-- Whoever takes lives.
WITH life AS (
    INSERT INTO courier_instances (courier, lives_until) VALUES ($1, now() + $4::interval)
    ON CONFLICT (courier) DO UPDATE SET lives_until = excluded.lives_until
)
UPDATE courier_mails AS known
SET state = 'claimed', courier = $1, claimed_version = known.version, changed_at = now()
FROM unnest($2::text[], $3::text[]) AS mail (kind, id)
WHERE known.kind = mail.kind AND known.id = mail.id AND known.state = 'ready'

-- name: mark_sending
UPDATE courier_mails
SET state = 'sending', changed_at = now()
WHERE (kind, id) IN (
    SELECT known.kind, known.id
    FROM courier_mails AS known
    JOIN unnest($2::text[], $3::text[], $4::bigint[]) AS mail (kind, id, version) USING (kind, id)
    WHERE known.state = 'claimed' AND known.courier = $1 AND known.version = mail.version
    ORDER BY known.kind, known.id
    FOR UPDATE OF known
)
RETURNING kind, id

-- name: settle
-- Of whoever was erased while it was claimed nothing stays but that it was emailed, as `record_over` leaves it.
UPDATE courier_mails AS known
SET state = mail.outcome, sealed = NULL, changed_at = now(),
    detail = CASE WHEN NOT gone THEN mail.detail END, trace = CASE WHEN NOT gone THEN trace END,
    changes = CASE WHEN gone THEN '[]' ELSE changes END,
    introduced_by = CASE WHEN NOT gone THEN introduced_by END, introduced_at = CASE WHEN NOT gone THEN introduced_at END,
    grant_notice = CASE WHEN NOT gone THEN grant_notice END
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS mail (kind, id, outcome, detail)
JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM courier_mails AS own JOIN erased ON erased.candidate =
            CASE WHEN own.candidate ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN own.candidate::uuid END
        WHERE own.kind = mail.kind AND own.id = mail.id
    ) AS gone
) AS person ON true
WHERE known.kind = mail.kind AND known.id = mail.id AND known.state = 'ready'

-- name: hold
UPDATE courier_mails AS known
SET not_before = mail.until
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS mail (kind, id, until)
WHERE known.kind = mail.kind AND known.id = mail.id AND known.state = 'ready'

-- name: lock_mine
SELECT kind, id FROM courier_mails
WHERE state IN ('claimed', 'sending') AND courier = $1
  AND (kind, id, claimed_version) IN (
    SELECT kind, id, version FROM unnest($2::text[], $3::text[], $4::bigint[]) AS mail (kind, id, version)
  )
ORDER BY kind, id
FOR UPDATE

-- name: record_over
UPDATE courier_mails AS known
SET state = mail.outcome, sealed = NULL, courier = NULL, changed_at = now(),
    detail = CASE WHEN NOT gone THEN mail.detail END, trace = CASE WHEN NOT gone THEN trace END,
    changes = CASE WHEN gone THEN '[]' ELSE changes END,
    introduced_by = CASE WHEN NOT gone THEN introduced_by END, introduced_at = CASE WHEN NOT gone THEN introduced_at END,
    grant_notice = CASE WHEN NOT gone THEN grant_notice END
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS mail (kind, id, outcome, detail)
JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM courier_mails AS own JOIN erased ON erased.candidate =
            CASE WHEN own.candidate ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN own.candidate::uuid END
        WHERE own.kind = mail.kind AND own.id = mail.id
    ) AS gone
) AS person ON true
WHERE known.kind = mail.kind AND known.id = mail.id

-- name: record_again
UPDATE courier_mails AS known
SET state = CASE WHEN known.admitted THEN 'ready' ELSE 'void' END,
    sealed = CASE WHEN known.admitted THEN known.sealed END,
    not_before = mail.not_before, attempts = mail.attempts, courier = NULL, changed_at = now()
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::integer[]) AS mail (kind, id, not_before, attempts)
WHERE known.kind = mail.kind AND known.id = mail.id

-- name: show_life
INSERT INTO courier_instances (courier, lives_until) VALUES ($1, now() + $2::interval)
ON CONFLICT (courier) DO UPDATE SET lives_until = excluded.lives_until

-- name: leave
DELETE FROM courier_instances WHERE courier = $1

-- name: doubt_the_dead
UPDATE courier_mails AS known
SET state = 'doubtful', sealed = NULL, courier = NULL, changed_at = now(),
    detail = CASE WHEN NOT gone THEN $1 END, trace = CASE WHEN NOT gone THEN trace END,
    changes = CASE WHEN gone THEN '[]' ELSE changes END,
    introduced_by = CASE WHEN NOT gone THEN introduced_by END, introduced_at = CASE WHEN NOT gone THEN introduced_at END,
    grant_notice = CASE WHEN NOT gone THEN grant_notice END
FROM (
    SELECT kind, id, EXISTS (
        SELECT FROM erased WHERE erased.candidate =
            CASE WHEN own.candidate ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN own.candidate::uuid END
    ) AS gone
    FROM courier_mails AS own
    WHERE state = 'sending' AND courier NOT IN (SELECT courier FROM courier_instances WHERE lives_until > now())
    ORDER BY kind, id
    FOR UPDATE OF own SKIP LOCKED
) AS dead
WHERE known.kind = dead.kind AND known.id = dead.id
RETURNING known.kind, known.id, candidate, employer, purpose, claimed_version AS version, admitted, NULL::text AS sealed,
    good_until, state, attempts, trace, introduced_by, introduced_at, changes, grant_notice

-- name: free_the_dead
UPDATE courier_mails
SET state = 'ready', courier = NULL, changed_at = now()
WHERE (kind, id) IN (
    SELECT kind, id FROM courier_mails
    WHERE state = 'claimed' AND courier NOT IN (SELECT courier FROM courier_instances WHERE lives_until > now())
    ORDER BY kind, id
    FOR UPDATE SKIP LOCKED
)

-- name: forget_mails
DELETE FROM courier_mails WHERE (kind, id) IN (
    SELECT kind, id FROM courier_mails
    WHERE changed_at < now() - $1::interval AND state NOT IN ('ready', 'claimed', 'sending')
    ORDER BY changed_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING id

-- name: forget_instances
DELETE FROM courier_instances
WHERE lives_until < now() - $1::interval
  AND courier NOT IN (SELECT courier FROM courier_mails WHERE state IN ('claimed', 'sending') AND courier IS NOT NULL)
