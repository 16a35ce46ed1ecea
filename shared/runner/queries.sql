-- name: schedule
INSERT INTO work (queue, key, lane, run_at, traceparent, payload, flow)
SELECT queue, key, lane, run_at, traceparent, payload::json, flow
FROM unnest($1::text[], $2::text[], $3::smallint[], $4::timestamptz[], $6::text[], $7::text[], $8::integer[])
    AS wanted (queue, key, lane, run_at, traceparent, payload, flow)
ORDER BY queue, key
ON CONFLICT (queue, key) DO UPDATE SET
    again_at = CASE WHEN work.lease IS NULL THEN NULL
        WHEN (excluded.queue || ' ' || excluded.key) = ANY($5::text[]) THEN excluded.run_at
        ELSE least(work.again_at, excluded.run_at) END,
    run_at = CASE WHEN work.lease IS NOT NULL THEN work.run_at
        WHEN work.set_aside_at IS NOT NULL OR (excluded.queue || ' ' || excluded.key) = ANY($5::text[]) THEN excluded.run_at
        ELSE least(work.run_at, excluded.run_at) END,
    attempts = CASE WHEN work.set_aside_at IS NULL THEN work.attempts ELSE 0 END,
    lane = least(work.lane, excluded.lane),
    flow = CASE WHEN (excluded.queue || ' ' || excluded.key) = ANY($5::text[]) OR work.set_aside_at IS NOT NULL
            OR excluded.run_at < coalesce(CASE WHEN work.lease IS NULL THEN work.run_at ELSE work.again_at END, 'infinity')
        THEN excluded.flow ELSE work.flow END,
    payload = coalesce(excluded.payload, work.payload),
    traceparent = coalesce(excluded.traceparent, work.traceparent),
    reason = CASE WHEN work.set_aside_at IS NULL THEN work.reason END,
    set_aside_at = NULL

-- name: begin
-- Nothing here waits for a turn that is under way, whose lock is its lease: ON CONFLICT alone would, and holds those before it meanwhile.
WITH free AS MATERIALIZED (
    SELECT queue FROM work
    WHERE queue = ANY($1::text[]) AND key = $2 AND lease IS NULL AND (run_at > $3 OR set_aside_at IS NOT NULL)
    ORDER BY queue FOR UPDATE SKIP LOCKED
), sooner AS (
    UPDATE work SET
        run_at = $3,
        attempts = CASE WHEN set_aside_at IS NULL THEN attempts ELSE 0 END,
        reason = CASE WHEN set_aside_at IS NULL THEN reason END,
        set_aside_at = NULL
    FROM free WHERE work.queue = free.queue AND work.key = $2
)
INSERT INTO work (queue, key, run_at, flow)
SELECT wanted.queue, $2, $3, $4
FROM unnest($1::text[]) AS wanted (queue)
WHERE NOT EXISTS (SELECT FROM work WHERE work.queue = wanted.queue AND work.key = $2)
ORDER BY wanted.queue
ON CONFLICT (queue, key) DO NOTHING

-- name: cancel
DELETE FROM work WHERE (queue, key) IN (
    SELECT queue, key FROM work WHERE queue = $1 AND key = ANY($2::text[]) ORDER BY key FOR UPDATE)

-- name: claim
-- Lane after lane. In each those who have work that is due take turns, up to 64 of them, who have the same share of the batch, from a
-- place that is chance. They are found among the oldest 10,000 rows that are due; where there are more, also by going from one to the
-- next, past up to 1,024. What is left of the batch goes to who has waited longest. What another process claims now is passed over.
WITH due AS MATERIALIZED (
    SELECT found.key
    FROM unnest($2::smallint[]) AS lanes (lane)
    CROSS JOIN LATERAL (
        WITH RECURSIVE oldest AS MATERIALIZED (
            SELECT flow FROM work
            WHERE queue = $1 AND lane = lanes.lane AND set_aside_at IS NULL AND run_at <= $4
              AND (leased_until IS NULL OR leased_until <= now())
            ORDER BY run_at LIMIT 10000
        ), walk (flow, is_due, first, passed, found) AS (
            SELECT begin.flow, begin.run_at <= $4, begin.flow, 1, (begin.run_at <= $4)::integer
            FROM (
                (SELECT flow, run_at FROM work
                 WHERE queue = $1 AND lane = lanes.lane AND set_aside_at IS NULL AND (leased_until IS NULL OR leased_until <= now())
                   AND flow >= $7
                 ORDER BY flow, run_at LIMIT 1)
                UNION ALL
                (SELECT flow, run_at FROM work
                 WHERE queue = $1 AND lane = lanes.lane AND set_aside_at IS NULL AND (leased_until IS NULL OR leased_until <= now())
                 ORDER BY flow, run_at LIMIT 1)
                LIMIT 1
            ) AS begin
            WHERE (SELECT count(*) FROM oldest) = 10000
            UNION ALL
            SELECT following.flow, following.run_at <= $4, walk.first, walk.passed + 1,
                walk.found + (following.run_at <= $4)::integer
            FROM walk
            CROSS JOIN LATERAL (
                (SELECT flow, run_at FROM work
                 WHERE queue = $1 AND lane = lanes.lane AND set_aside_at IS NULL AND (leased_until IS NULL OR leased_until <= now())
                   AND flow > walk.flow
                 ORDER BY flow, run_at LIMIT 1)
                UNION ALL
                (SELECT flow, run_at FROM work
                 WHERE queue = $1 AND lane = lanes.lane AND set_aside_at IS NULL AND (leased_until IS NULL OR leased_until <= now())
                 ORDER BY flow, run_at LIMIT 1)
                LIMIT 1
            ) AS following
            WHERE walk.passed < 1024 AND walk.found < 64 AND following.flow <> walk.first
        ), flows AS MATERIALIZED (
            SELECT flow FROM (SELECT flow FROM oldest UNION SELECT flow FROM walk WHERE is_due) AS theirs
            ORDER BY flow < $7, flow LIMIT 64
        ), by_turns AS MATERIALIZED (
            SELECT mine.key
            FROM flows
            CROSS JOIN LATERAL (
                SELECT key FROM work
                WHERE queue = $1 AND lane = lanes.lane AND flow = flows.flow AND set_aside_at IS NULL AND run_at <= $4
                  AND (leased_until IS NULL OR leased_until <= now())
                ORDER BY run_at LIMIT greatest($3 / (SELECT count(*) FROM flows), 1) FOR UPDATE SKIP LOCKED
            ) AS mine
            LIMIT $3
        ), others AS (
            SELECT key FROM work
            WHERE queue = $1 AND lane = lanes.lane AND set_aside_at IS NULL AND run_at <= $4
              AND (leased_until IS NULL OR leased_until <= now()) AND key <> ALL(ARRAY(SELECT key FROM by_turns))
            ORDER BY run_at LIMIT $3 - (SELECT count(*) FROM by_turns) FOR UPDATE SKIP LOCKED
        )
        SELECT key FROM by_turns UNION ALL SELECT key FROM others
    ) AS found
    LIMIT $3
)
UPDATE work SET lease = $5::uuid, leased_until = now() + $6::interval, attempts = attempts + 1
FROM due WHERE work.queue = $1 AND work.key = due.key
RETURNING work.key, lane, run_at, attempts, payload, traceparent, reason

-- name: renew
UPDATE work SET leased_until = now() + $4::interval WHERE queue = $1 AND key IN (
    SELECT key FROM work WHERE queue = $1 AND lease = $2::uuid AND key = ANY($3::text[]) ORDER BY key FOR UPDATE SKIP LOCKED)

-- name: take_turn
UPDATE work SET run_at = $4, again_at = NULL, lease = NULL, leased_until = NULL, attempts = 0, reason = NULL
WHERE queue = $1 AND key = (
    SELECT key FROM work
    WHERE queue = $1 AND key = $2 AND set_aside_at IS NULL AND run_at <= $3 AND (leased_until IS NULL OR leased_until <= now())
    FOR UPDATE SKIP LOCKED)
RETURNING 1

-- name: next
SELECT queue, min(first.run_at) AS run_at
FROM unnest($1::text[]) AS queues (queue)
CROSS JOIN unnest($2::smallint[]) AS lanes (lane)
CROSS JOIN LATERAL (
    SELECT run_at FROM work
    WHERE work.queue = queues.queue AND work.lane = lanes.lane AND set_aside_at IS NULL
      AND (leased_until IS NULL OR leased_until <= now())
    ORDER BY run_at LIMIT 1
) AS first
GROUP BY queue

-- name: finish
WITH mine AS MATERIALIZED (
    SELECT work.key, least(done.again_at, work.again_at) AS next
    FROM unnest($3::text[], $4::timestamptz[]) AS done (key, again_at)
    JOIN work ON work.queue = $1 AND work.key = done.key
    WHERE work.lease = $2::uuid
    ORDER BY work.key FOR UPDATE OF work
), gone AS (
    DELETE FROM work USING mine WHERE work.queue = $1 AND work.key = mine.key AND mine.next IS NULL RETURNING 1
), kept AS (
    UPDATE work SET run_at = mine.next, again_at = NULL, lease = NULL, leased_until = NULL, attempts = 0, reason = NULL
    FROM mine WHERE work.queue = $1 AND work.key = mine.key AND mine.next IS NOT NULL RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept)

-- name: put_back
UPDATE work SET run_at = least(coalesce($4, work.run_at), work.again_at), again_at = NULL, lease = NULL, leased_until = NULL, attempts = attempts - 1
WHERE queue = $1 AND key IN (
    SELECT key FROM work WHERE queue = $1 AND key = ANY($3::text[]) AND lease = $2::uuid ORDER BY key FOR UPDATE)

-- name: fail
UPDATE work SET
    run_at = coalesce(again_at, $5, run_at), again_at = NULL, lease = NULL, leased_until = NULL, reason = $4,
    attempts = CASE WHEN again_at IS NULL THEN attempts ELSE 0 END,
    set_aside_at = CASE WHEN again_at IS NULL AND $5::timestamptz IS NULL THEN $6::timestamptz END
WHERE queue = $1 AND key = $3 AND lease = $2::uuid

-- name: depths
SELECT queue, coalesce(sum(due), 0) AS due, max($3 - oldest) AS oldest,
    (SELECT count(*) FROM (SELECT FROM work WHERE work.queue = queues.queue AND set_aside_at IS NOT NULL LIMIT 10000) AS first_of_them)
        AS set_aside
FROM unnest($1::text[]) AS queues (queue)
CROSS JOIN unnest($2::smallint[]) AS lanes (lane)
CROSS JOIN LATERAL (
    SELECT count(*) AS due, min(run_at) AS oldest FROM (
        SELECT run_at FROM work
        WHERE work.queue = queues.queue AND work.lane = lanes.lane AND set_aside_at IS NULL AND run_at <= $3
        ORDER BY run_at LIMIT 10000
    ) AS first_of_them
) AS counted
GROUP BY queue

-- name: piles
SELECT queue, count(*) AS waiting, min(set_aside_at) AS oldest FROM work
WHERE set_aside_at IS NOT NULL AND ($1::text IS NULL OR queue = $1)
GROUP BY queue ORDER BY queue

-- name: set_aside
SELECT queue, key, lane, run_at, attempts, set_aside_at, reason, payload FROM work
WHERE set_aside_at IS NOT NULL AND ($1::text IS NULL OR queue = $1) AND ($2::text IS NULL OR key = $2)
ORDER BY queue, set_aside_at, key LIMIT $3

-- name: replay
UPDATE work SET set_aside_at = NULL, attempts = 0, reason = NULL, run_at = $4 WHERE (queue, key) IN (
    SELECT queue, key FROM work
    WHERE set_aside_at IS NOT NULL AND queue = $1 AND ($2::text IS NULL OR key = $2)
    ORDER BY set_aside_at, key LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING key

-- name: close
DELETE FROM work WHERE (queue, key) IN (
    SELECT queue, key FROM work
    WHERE set_aside_at IS NOT NULL AND queue = $1 AND ($2::text IS NULL OR key = $2)
    ORDER BY set_aside_at, key LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING key
