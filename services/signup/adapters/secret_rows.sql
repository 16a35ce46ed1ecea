-- name: to_reindex
-- What is under any other key, or is older than the column, from a place on: who had their turn and stays is not looked at again.
WITH others AS (
    SELECT * FROM (
        (SELECT index_key, candidate FROM candidates
            WHERE index_key < $1 AND (index_key, candidate) > ($3, $4::uuid) ORDER BY index_key, candidate LIMIT $2)
        UNION ALL (SELECT index_key, candidate FROM candidates
            WHERE index_key > $1 AND (index_key, candidate) > ($3, $4::uuid) ORDER BY index_key, candidate LIMIT $2)
        UNION ALL (SELECT index_key, candidate FROM candidates
            WHERE index_key IS NULL AND candidate > $5::uuid ORDER BY candidate LIMIT $2)
    ) AS of_each ORDER BY index_key NULLS LAST, candidate LIMIT $2
), taken AS (
    SELECT candidate FROM candidates WHERE candidate IN (SELECT candidate FROM others) FOR UPDATE SKIP LOCKED
)
SELECT others.candidate::text, others.index_key, taken.candidate IS NOT NULL AS is_taken
FROM others LEFT JOIN taken USING (candidate)
ORDER BY others.index_key NULLS LAST, others.candidate

-- name: reindex
UPDATE candidates SET blind_index = new.blind_index, index_key = $1
FROM unnest($2::uuid[], $3::bytea[]) AS new (candidate, blind_index)
WHERE candidates.candidate = new.candidate AND NOT EXISTS (
    SELECT FROM candidates AS other WHERE other.blind_index = new.blind_index AND other.candidate <> new.candidate
)
RETURNING candidates.candidate

-- name: under_index_keys
SELECT coalesce(index_key, ''::bytea) AS key, count(*) FROM (
    (SELECT index_key FROM candidates WHERE index_key < $1 LIMIT $2)
    UNION ALL (SELECT index_key FROM candidates WHERE index_key > $1 LIMIT $2)
    UNION ALL (SELECT index_key FROM candidates WHERE index_key IS NULL LIMIT $2)
) AS others GROUP BY index_key

-- name: under_peppers
WITH RECURSIVE peppers AS (
    (SELECT pepper FROM invitations WHERE pepper IS NOT NULL ORDER BY pepper LIMIT 1)
    UNION ALL
    SELECT (SELECT pepper FROM invitations WHERE pepper > peppers.pepper ORDER BY pepper LIMIT 1)
    FROM peppers WHERE peppers.pepper IS NOT NULL
)
SELECT pepper AS key, (SELECT count(*) FROM (SELECT FROM invitations WHERE invitations.pepper = peppers.pepper LIMIT $1) AS counted) AS count
FROM peppers WHERE pepper IS NOT NULL
UNION ALL
SELECT ''::bytea, count(*) FROM (SELECT FROM invitations WHERE pepper IS NULL LIMIT $1) AS counted HAVING count(*) > 0
