-- name: lock_jobs
-- One employer's jobs are counted by one request at a time.
SELECT pg_advisory_xact_lock(262254610, hashtext($1::text))

-- name: put_job
INSERT INTO jobs AS kept (employer, id, version, body, valid_through)
SELECT $1::text, $2::text, 1, $3::jsonb, $4::date
WHERE EXISTS (SELECT FROM jobs WHERE employer = $1 AND id = $2)
   OR (SELECT count(*) FROM (SELECT FROM jobs WHERE employer = $1 AND valid_through >= $5::date LIMIT $6::bigint) AS open) < $6
ON CONFLICT (employer, id) DO UPDATE SET
    version = kept.version + (kept.body <> excluded.body)::integer, body = excluded.body, valid_through = excluded.valid_through
RETURNING version

-- name: declare_job
-- Most messages bring along a job that is there by now, until that day at least: nothing is written then, and nobody waits.
WITH known AS (SELECT version FROM jobs WHERE employer = $1::text AND id = $2::text AND valid_through >= $4::date),
fresh AS (
    INSERT INTO jobs AS kept (employer, id, version, body, valid_through)
    SELECT $1, $2, 1, $3::jsonb, $4::date
    WHERE NOT EXISTS (SELECT FROM known)
      AND (EXISTS (SELECT FROM jobs WHERE employer = $1 AND id = $2)
           OR (SELECT count(*) FROM (SELECT FROM jobs WHERE employer = $1 AND valid_through >= $5::date LIMIT $6::bigint) AS open) < $6)
    ON CONFLICT (employer, id) DO UPDATE SET
        version = kept.version + 1, body = excluded.body, valid_through = excluded.valid_through
    WHERE kept.valid_through < excluded.valid_through
    RETURNING version)
SELECT version FROM known UNION ALL SELECT version FROM fresh

-- name: job
SELECT id, version, body::text, valid_through FROM jobs WHERE employer = $1 AND id = $2

-- name: jobs_of
SELECT id, version, body::text, valid_through FROM jobs WHERE employer = $1 AND id > $2 ORDER BY id LIMIT $3

-- name: delete_job
DELETE FROM jobs WHERE employer = $1 AND id = $2 RETURNING id

-- name: forget_jobs
DELETE FROM jobs WHERE (employer, id) IN (
    SELECT employer, id FROM jobs WHERE valid_through < $1 ORDER BY valid_through LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id
