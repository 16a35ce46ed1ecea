-- Whoever asks for rows by a batch's keys says `(SELECT $1)`: how many they are is hidden from PostgreSQL, which takes them for ten then
-- and goes by the index, one after the other. Where it sees that they are hundreds it reads all of a table, at each batch, as soon as
-- that looks cheaper, and it looks cheaper up to some hundred thousand rows (0049). `OFFSET 0` keeps a look-up one while
-- its table is small: some thousand rows, all of which PostgreSQL would read (0049; no gate holds it).

-- name: hold_epochs
-- No name where the shard is built anew, or another process waits until it can: batches never keep it waiting for long.
SELECT shard, CASE WHEN building IS NULL AND pg_try_advisory_xact_lock_shared(262254608, shard) THEN name END AS name
FROM epochs WHERE shard = ANY($1::integer[])

-- name: present_epochs
SELECT shard, name, building, after::text, placed, total FROM epochs

-- name: lock_epoch
SELECT pg_advisory_xact_lock(262254608, $1::integer)

-- name: take_epoch
SELECT shard, name, building, after::text, placed, total FROM epochs WHERE shard = $1 FOR UPDATE

-- name: begin_epoch
UPDATE epochs SET building = $2, since = coalesce(since, now()), after = NULL, placed = 0, total = (
    SELECT count(*) FROM outreach WHERE shard_of(candidate) = $1 AND slot_at IS NOT NULL AND slot_at > $3)
WHERE shard = $1

-- name: claim_epoch
SELECT shard, name, building, after::text, placed, total FROM epochs
WHERE building IS NOT NULL AND shard <> ALL($1::integer[])
ORDER BY shard LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: page_of_shard
-- The places of a person as one text: whoever passes them on touches a person, and not each slot.
SELECT candidate::text, count(*) AS slots,
    '[' || floor(extract(epoch FROM max(slot_at)) * 1000)::bigint || ',' || string_agg(
        '"' || floor(extract(epoch FROM slot_at) * 1000)::bigint || '",' || to_json(id || '|' || employer)::text, ',') || ']' AS places
FROM outreach
WHERE shard_of(candidate) = $1 AND candidate > $2::uuid AND slot_at IS NOT NULL AND slot_at > $3
GROUP BY outreach.candidate ORDER BY outreach.candidate LIMIT $4

-- name: note_placed
UPDATE epochs SET after = $2::uuid, placed = placed + $3 WHERE shard = $1

-- name: end_epoch
UPDATE epochs SET name = building, building = NULL, since = NULL, after = NULL
FROM (SELECT since AS began FROM epochs WHERE shard = $1) AS before
WHERE shard = $1 RETURNING clock_timestamp() - began AS took

-- name: submit
INSERT INTO outreach (id, employer, candidate, member_ref, request_digest, sealed, submitted_at, expires_at, due_at,
                      valid_through, pool_tag, generation, last_day, tell_at, key_missing, occupation, job_state, sealed_job)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (id) DO NOTHING
RETURNING id

-- name: kept
SELECT id, candidate::text, request_digest, state, submitted_at, coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at,
    taken_back_at, told
FROM outreach WHERE id = ANY($1::text[])

-- name: lock_request
-- The name that sorts first is the same for whoever has the same keys, in whatever order.
SELECT pg_advisory_xact_lock(262254612, hashtext($1::text))

-- name: earlier_to_refs
SELECT id, candidate::text, request_digest, state, submitted_at, coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at, taken_back_at,
    told
FROM outreach
WHERE employer = $1 AND candidate = $2::uuid AND member_ref = ANY($3::text[]) AND id <> ALL($4::text[]) AND submitted_at > $5
ORDER BY submitted_at DESC LIMIT 100

-- name: earlier_to_people
-- Without those that are in hand already ($4).
SELECT id, version, state, employer, candidate::text, submitted_at, expires_at, slot_at, valid_through, pool_tag, generation,
    coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at, taken_back_at, key_missing, wished_at
FROM unnest(string_to_array((SELECT $1::text), E'\x1f')::uuid[], string_to_array((SELECT $2::text), E'\x1f')) AS pair (candidate, employer)
JOIN outreach USING (employer, candidate)
WHERE submitted_at > $3 AND id <> ALL(string_to_array($4, E'\x1f'))

-- name: take_back
-- What has a slot or waits for one is decided for once more, and leaves.
UPDATE outreach SET told = 'cancelled', taken_back_at = $2, tell_at = $3,
    due_at = CASE WHEN state IN ('submitted', 'delayed') THEN $2 ELSE due_at END
WHERE id = $1

-- name: seal_again
-- What has left keeps the words that it left with; so does what has none any more.
UPDATE outreach SET sealed = CASE WHEN state IN ('submitted', 'delayed') THEN $2 ELSE sealed END,
    sealed_job = CASE WHEN state IN ('submitted', 'delayed') THEN $4 ELSE sealed_job END,
    key_missing = CASE WHEN state IN ('submitted', 'delayed') THEN $3 ELSE key_missing END
WHERE id = $1

-- name: take_untold
-- Of each employer what comes to be told by this tick of its own, in the order of the ids; an older tick's before.
SELECT o.id, o.employer, o.state, o.submitted_at, coalesce(o.last_day, (o.expires_at AT TIME ZONE 'UTC')::date) AS last_day,
    o.sent_at, o.heard_at, o.taken_back_at, o.told
FROM unnest($1::text[], $2::timestamptz[]) AS tick (employer, at)
CROSS JOIN LATERAL (
    SELECT * FROM outreach WHERE employer = tick.employer AND tell_at <= tick.at
    ORDER BY tell_at, id LIMIT $3 FOR UPDATE
) AS o
ORDER BY o.employer, o.tell_at, o.id

-- name: tell
UPDATE outreach o SET told = t.told, tell_at = t.tell_at
FROM unnest((SELECT $1::text[]), (SELECT $2::text[]), (SELECT $3::timestamptz[])) AS t (id, told, tell_at)
WHERE o.id = t.id

-- name: next_untold
SELECT employer, (SELECT min(tell_at) FROM outreach o WHERE o.employer = asked.employer AND tell_at IS NOT NULL) AS at
FROM unnest($1::text[]) AS asked (employer)

-- name: missed_untold
-- What an older version wrote, or what a backup brought back: its time has come, and nobody has its employer to tell; nor has who
-- was set aside, since no later message waits for an operator.
SELECT employer FROM outreach
WHERE tell_at <= $1 AND NOT EXISTS (SELECT FROM work WHERE queue = 'tellings' AND key = outreach.employer AND set_aside_at IS NULL)
ORDER BY tell_at
LIMIT $2

-- name: adopt
-- Rows of a version that did not keep them yet. They are told anew, at the next tick: what was told before was of another kind.
UPDATE outreach SET
    last_day = least((expires_at AT TIME ZONE 'UTC' - interval '1 microsecond')::date, valid_through),
    sent_at = coalesce(sent_at, CASE WHEN state IN ('delivered', 'bounced', 'doubtful') THEN decided_at END),
    heard_at = coalesce(heard_at, CASE WHEN state IN ('delivered', 'bounced', 'doubtful') THEN decided_at END),
    taken_back_at = coalesce(taken_back_at, CASE WHEN rule = 'cancelled_by_sender' THEN decided_at END),
    told = CASE WHEN told = 'waiting' AND rule = 'cancelled_by_sender' THEN 'cancelled' ELSE told END,
    tell_at = coalesce(tell_at, CASE WHEN taken_back_at IS NULL AND rule IS DISTINCT FROM 'cancelled_by_sender' THEN submitted_at END)
WHERE id IN (SELECT id FROM outreach WHERE last_day IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id

-- name: lock_live
-- The state of a row that its key has found: as it is written here no index of what waits is read for it, of which all may be long.
SELECT id, version, state, employer, candidate::text, submitted_at, expires_at, slot_at, valid_through, pool_tag, generation,
    coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at, taken_back_at, key_missing, wished_at
FROM outreach
WHERE id = ANY(string_to_array((SELECT $1::text), E'\x1f')) AND state || '' = 'submitted'
ORDER BY id
FOR UPDATE

-- name: lock_free_people
-- Whom a batch decides for at this moment is passed over: nobody waits for one person.
SELECT candidate::text FROM consents WHERE candidate = ANY((SELECT $1::uuid[])::uuid[]) ORDER BY consents.candidate FOR UPDATE SKIP LOCKED

-- name: take_due
-- By the people: the index of all that is due is not read beside theirs, so the moment is not compared as it would be for that.
-- Of people whom this transaction has locked ($4), and of those of whom no consent is known: they have no queue.
SELECT id, version, state, employer, candidate::text, submitted_at, expires_at, slot_at, valid_through, pool_tag, generation,
    coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at, taken_back_at, key_missing, wished_at
FROM outreach
WHERE candidate = ANY((SELECT $3::uuid[])::uuid[]) AND due_at IS NOT NULL AND coalesce(due_at, 'infinity') <= $1
  AND (candidate = ANY($4::uuid[]) OR NOT EXISTS (SELECT FROM consents c WHERE c.candidate = outreach.candidate OFFSET 0))
ORDER BY due_at
LIMIT $2
FOR UPDATE SKIP LOCKED

-- name: next_due
SELECT candidate::text, min(due_at) AS at FROM outreach
WHERE candidate = ANY((SELECT $1::uuid[])::uuid[]) AND due_at IS NOT NULL
GROUP BY candidate

-- name: missed_due
-- What was submitted and whose record did not come, what an older version wrote, or what a backup brought back: its time has come,
-- and nobody has its person to decide for.
SELECT candidate::text FROM outreach
WHERE due_at <= $1
  AND NOT EXISTS (SELECT FROM work WHERE queue = 'due' AND key = outreach.candidate::text)
ORDER BY due_at
LIMIT $2

-- name: places
SELECT id, version, state, employer, candidate::text, submitted_at, expires_at, slot_at, valid_through, pool_tag, generation,
    coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at, taken_back_at, key_missing, wished_at
FROM outreach
WHERE candidate = ANY(string_to_array((SELECT $1::text), E'\x1f')::uuid[]) AND (slot_at > $2 OR state = 'delayed')

-- name: due_state
SELECT (SELECT count(*) FROM (SELECT FROM outreach WHERE due_at <= $1 LIMIT 10000) AS part) AS rows,
    coalesce($1 - (SELECT min(due_at) FROM outreach WHERE due_at <= $1), interval '0') AS age

-- name: lock_waiting_of
SELECT id, version, state, employer, candidate::text, submitted_at, expires_at, slot_at, valid_through, pool_tag, generation,
    coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at, taken_back_at, key_missing, wished_at
FROM outreach
WHERE candidate = ANY((SELECT $1::uuid[])::uuid[]) AND state IN ('submitted', 'delayed')
ORDER BY id
FOR UPDATE

-- name: lock_people_waited_for_by
SELECT candidate::text FROM outreach JOIN consents c USING (candidate)
WHERE employer = ANY($1::text[]) AND state IN ('submitted', 'delayed') LIMIT $2 FOR UPDATE OF c SKIP LOCKED

-- name: strangers_waited_for_by
SELECT candidate::text FROM outreach
WHERE employer = ANY($1::text[]) AND state IN ('submitted', 'delayed')
  AND NOT EXISTS (SELECT FROM consents c WHERE c.candidate = outreach.candidate OFFSET 0)
LIMIT $2

-- name: take_waiting_of_senders
-- As `take_due` does.
SELECT id, version, state, employer, candidate::text, submitted_at, expires_at, slot_at, valid_through, pool_tag, generation,
    coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at, taken_back_at, key_missing, wished_at
FROM outreach
WHERE employer = ANY($1::text[]) AND state IN ('submitted', 'delayed')
  AND (candidate = ANY($3::uuid[])
       OR candidate = ANY($4::uuid[]) AND NOT EXISTS (SELECT FROM consents c WHERE c.candidate = outreach.candidate OFFSET 0))
LIMIT $2
FOR UPDATE SKIP LOCKED

-- name: forget_ended
DELETE FROM outreach WHERE id IN (
    SELECT id FROM outreach
    WHERE last_day < $1 AND state IN ('dropped', 'cancelled', 'delivered', 'bounced', 'doubtful')
    ORDER BY last_day LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id

-- name: lock_one
SELECT id, candidate::text, request_digest, state, submitted_at, coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day,
    sent_at, heard_at, taken_back_at, told
FROM outreach
WHERE id = $1 AND employer = $2
FOR UPDATE

-- name: lock_people
SELECT candidate::text FROM consents WHERE candidate = ANY(string_to_array((SELECT $1::text), E'\x1f')::uuid[])
ORDER BY consents.candidate FOR UPDATE

-- name: person_of
SELECT candidate::text FROM outreach WHERE id = $1 AND employer = $2 AND parent IS NULL

-- name: people
SELECT person.candidate::text, b.reachable, c.version, c.contact, c.blocked_employers, c.first_contacts_per_week, c.min_gap_hours,
       c.quiet_start, c.quiet_end, c.time_zone, c.paused_until, c.ends_at, m.employers,
       CASE WHEN m.pools_version = m.version THEN m.pools END AS pools, coalesce(m.generation, 0) AS generation,
       e.candidate IS NOT NULL AS erased
FROM unnest(string_to_array((SELECT $1::text), E'\x1f')::uuid[]) AS person (candidate)
LEFT JOIN consents c USING (candidate)
LEFT JOIN memberships m USING (candidate)
LEFT JOIN mailboxes b USING (candidate)
LEFT JOIN erased e USING (candidate)

-- name: settle
UPDATE outreach o
SET state = s.state, version = s.version, slot_at = s.slot_at, due_at = s.due_at, rule = s.rule, policy = $7,
    decided_at = $8, decision = s.decision,
    sealed = CASE WHEN s.state IN ('submitted', 'delayed', 'admitted') THEN o.sealed END,
    sealed_job = CASE WHEN s.state IN ('submitted', 'delayed', 'admitted') THEN o.sealed_job END
FROM unnest(string_to_array((SELECT $1::text), E'\x1f'), string_to_array((SELECT $2::text), E'\x1f'),
        string_to_array((SELECT $3::text), E'\x1f')::integer[], (SELECT $4::timestamptz[]), (SELECT $5::timestamptz[]),
        string_to_array((SELECT $6::text), E'\x1f', ''), string_to_array((SELECT $9::text), E'\x1f'))
    AS s (id, state, version, slot_at, due_at, rule, decision)
WHERE o.id = s.id
RETURNING o.id, o.sealed, o.sealed_job

-- name: hold
UPDATE outreach o SET due_at = s.due_at
FROM unnest((SELECT $1::text[]), (SELECT $2::timestamptz[])) AS s (id, due_at)
WHERE o.id = s.id

-- name: keep_consents
-- Answers whose yes it did not take: by a link from before a no. Of an older version only its no is kept, and done.
WITH written AS (INSERT INTO consents AS kept (candidate, version, contact, blocked_employers, first_contacts_per_week, min_gap_hours,
                              quiet_start, quiet_end, time_zone, paused_until, ends_at, lifts_no_until, no_at)
SELECT (row ->> 'candidate')::uuid, (row ->> 'version')::integer, (row ->> 'contact')::boolean,
       ARRAY(SELECT jsonb_array_elements_text(row -> 'blocked_employers')),
       (row ->> 'first_contacts_per_week')::integer, (row ->> 'min_gap_hours')::integer,
       (row ->> 'quiet_start')::time, (row ->> 'quiet_end')::time, row ->> 'time_zone',
       (row ->> 'paused_until')::timestamptz, (row ->> 'ends_at')::timestamptz,
       (row ->> 'lifts_no_until')::timestamptz, (row ->> 'no_at')::timestamptz
FROM jsonb_array_elements($1::jsonb) AS row
WHERE NOT EXISTS (SELECT FROM erased WHERE erased.candidate = (row ->> 'candidate')::uuid OFFSET 0)
ORDER BY 1
ON CONFLICT (candidate) DO UPDATE SET
    version = greatest(kept.version, excluded.version),
    contact = CASE WHEN kept.version < excluded.version THEN excluded.contact
        ELSE kept.contact AND (excluded.contact OR (kept.lifts_no_until < excluded.no_at) IS FALSE OR excluded.no_at IS NULL) END,
    blocked_employers = CASE WHEN kept.version < excluded.version THEN excluded.blocked_employers ELSE kept.blocked_employers END,
    first_contacts_per_week = CASE WHEN kept.version < excluded.version THEN excluded.first_contacts_per_week ELSE kept.first_contacts_per_week END,
    min_gap_hours = CASE WHEN kept.version < excluded.version THEN excluded.min_gap_hours ELSE kept.min_gap_hours END,
    quiet_start = CASE WHEN kept.version < excluded.version THEN excluded.quiet_start ELSE kept.quiet_start END,
    quiet_end = CASE WHEN kept.version < excluded.version THEN excluded.quiet_end ELSE kept.quiet_end END,
    time_zone = CASE WHEN kept.version < excluded.version THEN excluded.time_zone ELSE kept.time_zone END,
    paused_until = CASE WHEN kept.version < excluded.version THEN excluded.paused_until ELSE kept.paused_until END,
    ends_at = CASE WHEN kept.version < excluded.version THEN excluded.ends_at ELSE kept.ends_at END,
    lifts_no_until = CASE WHEN kept.version < excluded.version THEN excluded.lifts_no_until ELSE kept.lifts_no_until END,
    no_at = greatest(kept.no_at, excluded.no_at)
WHERE CASE WHEN kept.version < excluded.version
    THEN kept.contact OR NOT excluded.contact OR kept.no_at IS NULL OR excluded.lifts_no_until >= kept.no_at
    ELSE excluded.no_at > coalesce(kept.no_at, '-infinity')
        OR kept.contact AND NOT excluded.contact AND excluded.no_at > coalesce(kept.lifts_no_until, '-infinity')
END
)
SELECT candidate::text FROM jsonb_array_elements($1::jsonb) AS row
JOIN consents AS kept ON kept.candidate = (row ->> 'candidate')::uuid
WHERE kept.version < (row ->> 'version')::integer AND (row ->> 'contact')::boolean AND NOT kept.contact
  AND kept.no_at IS NOT NULL AND ((row ->> 'lifts_no_until')::timestamptz >= kept.no_at) IS NOT TRUE

-- name: keep_memberships
-- One that a version kept which does not know pools is completed by the same again.
INSERT INTO memberships AS kept (candidate, version, employers, pools, generation, pools_version, seats)
SELECT (row ->> 'candidate')::uuid, (row ->> 'version')::integer,
       ARRAY(SELECT jsonb_array_elements_text(row -> 'employers')), ARRAY(SELECT jsonb_array_elements_text(nullif(row -> 'pools', 'null'))),
       (row ->> 'generation')::bigint, CASE WHEN row ->> 'pools' IS NOT NULL THEN (row ->> 'version')::integer END,
       ARRAY(SELECT jsonb_array_elements_text(row -> 'seats'))
FROM jsonb_array_elements($1::jsonb) AS row
WHERE NOT EXISTS (SELECT FROM erased WHERE erased.candidate = (row ->> 'candidate')::uuid OFFSET 0)
ORDER BY 1
ON CONFLICT (candidate) DO UPDATE SET version = excluded.version, employers = excluded.employers, pools = excluded.pools,
    generation = excluded.generation, pools_version = excluded.pools_version, seats = excluded.seats
WHERE kept.version < excluded.version
    OR kept.version = excluded.version AND kept.pools_version IS DISTINCT FROM excluded.pools_version

-- name: keep_mailboxes
INSERT INTO mailboxes AS kept (candidate, version, reachable)
SELECT candidate, version, reachable
FROM unnest($1::uuid[], $2::integer[], $3::boolean[]) AS m (candidate, version, reachable)
WHERE NOT EXISTS (SELECT FROM erased WHERE erased.candidate = m.candidate OFFSET 0)
ORDER BY 1
ON CONFLICT (candidate) DO UPDATE SET version = excluded.version, reachable = excluded.reachable
WHERE kept.version < excluded.version

-- name: keep_keys
INSERT INTO candidate_keys AS kept (candidate, version, public_key)
SELECT candidate, version, public_key
FROM unnest($1::uuid[], $2::integer[], $3::text[]) AS k (candidate, version, public_key)
WHERE NOT EXISTS (SELECT FROM erased WHERE erased.candidate = k.candidate OFFSET 0)
ORDER BY 1
ON CONFLICT (candidate) DO UPDATE SET version = excluded.version, public_key = excluded.public_key
WHERE kept.version < excluded.version

-- name: hold_erasures
SELECT pg_advisory_xact_lock_shared($1)

-- name: begin_erasure
SELECT pg_advisory_xact_lock($1)

-- name: erased_unheard
SELECT key AS candidate FROM pg_temp.read_back
WHERE version <> 0 AND id IS NOT NULL AND NOT EXISTS (SELECT FROM erased WHERE erased.candidate = id)
ORDER BY key LIMIT $1

-- name: note_erased
INSERT INTO erased (candidate) SELECT DISTINCT unnest($1::uuid[]) ON CONFLICT DO NOTHING

-- name: forget_consents
DELETE FROM consents WHERE candidate = ANY((SELECT $1::uuid[])::uuid[])

-- name: forget_memberships
DELETE FROM memberships WHERE candidate = ANY((SELECT $1::uuid[])::uuid[])

-- name: forget_keys
DELETE FROM candidate_keys WHERE candidate = ANY((SELECT $1::uuid[])::uuid[])

-- name: forget_mailboxes
DELETE FROM mailboxes WHERE candidate = ANY((SELECT $1::uuid[])::uuid[])

-- name: public_key
SELECT public_key FROM candidate_keys WHERE candidate = $1

-- name: look_again
UPDATE outreach SET due_at = $2
WHERE id IN (
    SELECT id FROM outreach
    WHERE candidate = ANY((SELECT $1::uuid[])::uuid[]) AND state = 'submitted' AND coalesce(due_at, '-infinity') > $2
    ORDER BY id FOR UPDATE)
RETURNING candidate::text

-- name: plan_again
UPDATE outreach SET due_at = $2
WHERE id IN (
    SELECT id FROM outreach
    WHERE candidate = ANY((SELECT $1::uuid[])::uuid[]) AND state IN ('submitted', 'delayed') AND coalesce(due_at, '-infinity') > $2
    ORDER BY id FOR UPDATE)
RETURNING candidate::text

-- name: wish
UPDATE outreach o SET wished_at = w.at
FROM unnest((SELECT $1::text[]), (SELECT $2::uuid[]), (SELECT $3::timestamptz[])) AS w (id, candidate, at)
WHERE o.id = w.id AND o.candidate = w.candidate AND o.state IN ('submitted', 'delayed')
    AND (o.wished_at IS NULL OR o.wished_at < w.at)
RETURNING o.candidate::text

-- name: lock_reported
SELECT o.id, o.version, o.state, o.employer, o.candidate::text, o.submitted_at, o.expires_at, o.slot_at,
       o.valid_through, o.pool_tag, o.generation,
       coalesce(o.last_day, (o.expires_at AT TIME ZONE 'UTC')::date) AS last_day, o.sent_at, o.heard_at, o.taken_back_at,
       o.key_missing, o.wished_at
FROM outreach o
JOIN unnest((SELECT $1::text[]), (SELECT $2::integer[])) AS r (id, version) ON r.id = o.id AND r.version = o.version
WHERE o.state = 'admitted'
ORDER BY o.id
FOR UPDATE OF o

-- name: write_outcomes
UPDATE outreach o
SET state = r.state, detail = r.detail, version = o.version + 1, rule = coalesce(r.rule, o.rule),
    sent_at = r.sent_at, heard_at = CASE WHEN r.sent_at IS NOT NULL THEN $4::timestamptz END,
    tell_at = CASE WHEN o.parent IS NULL THEN coalesce(r.tell_at, o.tell_at) END,
    slot_at = CASE WHEN r.state <> 'bounced' THEN o.slot_at END,
    due_at = CASE WHEN r.state = 'submitted' THEN $4::timestamptz END,
    sealed = CASE WHEN r.state = 'submitted' THEN o.sealed END,
    sealed_job = CASE WHEN r.state = 'submitted' THEN o.sealed_job END
FROM unnest((SELECT $1::text[]), (SELECT $2::text[]), (SELECT $3::text[]), (SELECT $5::text[]), (SELECT $6::timestamptz[]),
        (SELECT $7::timestamptz[]))
    AS r (id, state, detail, rule, tell_at, sent_at)
WHERE o.id = r.id

-- name: account
SELECT id, employer, member_ref, state, decision, rule, policy, decided_at, slot_at, submitted_at, expires_at,
    coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at, taken_back_at, told
FROM outreach WHERE id = $1 AND ($2::text IS NULL OR employer = $2 AND parent IS NULL)

-- name: accounts_of
SELECT id, employer, member_ref, state, submitted_at, expires_at, decision, rule, policy, decided_at, slot_at,
    coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at, taken_back_at, told
FROM outreach WHERE candidate = $1::uuid ORDER BY submitted_at DESC LIMIT $2

-- name: accounts_of_seat
SELECT id, employer, member_ref, state, submitted_at, expires_at, decision, rule, policy, decided_at, slot_at,
    coalesce(last_day, (expires_at AT TIME ZONE 'UTC')::date) AS last_day, sent_at, heard_at, taken_back_at, told
FROM outreach WHERE employer = $1 AND parent IS NULL AND id COLLATE "C" > $2 ORDER BY id COLLATE "C" LIMIT $3
