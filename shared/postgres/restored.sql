-- name: restored
SELECT process, taken_at, restored_at, ends FROM restored ORDER BY process

-- name: try_replay
SELECT pg_try_advisory_lock($1)

-- name: leave_replay
SELECT pg_advisory_unlock($1)

-- name: forget_seen
DELETE FROM read_back_seen WHERE topic = $1

-- name: is_replayed
DELETE FROM restored WHERE process = $1
