-- What a pool asks for in one form, and the version since which it does: a new name alone holds it against nobody anew.
-- A process of an older release writes neither; then every version counts as a new question.
ALTER TABLE pools
    ADD COLUMN asks text,
    ADD COLUMN asks_since bigint,
    ADD COLUMN asks_as_of bigint,
    ADD COLUMN criteria_version bigint NOT NULL
        GENERATED ALWAYS AS (CASE WHEN asks_as_of = version THEN asks_since ELSE version END) STORED;

-- Whose turn it is among the pools that wait: explained at `next_turn` in queries.sql.
CREATE SEQUENCE evaluations_asked;
ALTER TABLE evaluations
    ADD COLUMN employer text,
    ADD COLUMN turn bigint NOT NULL DEFAULT 0,
    ADD COLUMN asked bigint NOT NULL DEFAULT nextval('evaluations_asked');
ALTER SEQUENCE evaluations_asked OWNED BY evaluations.asked;
UPDATE evaluations SET employer = waiting.employer, turn = waiting.turn
FROM (
    SELECT pool, pools.employer, row_number() OVER (PARTITION BY pools.employer ORDER BY pool) AS turn
    FROM evaluations JOIN pools USING (pool)
) AS waiting
WHERE waiting.pool = evaluations.pool;
CREATE INDEX evaluations_in_turn ON evaluations (turn, asked) WHERE NOT done;
CREATE INDEX evaluations_of_employer ON evaluations (employer, turn) WHERE NOT done;
DROP INDEX evaluations_to_do;
