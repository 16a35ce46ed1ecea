-- Which key made this ref, by its id; null: a ref of before there was this column.
ALTER TABLE memberships ADD COLUMN ref_key bytea;
-- Another key made another ref of the same member: the list tells it at the next tick, as one who left and one who joined.
ALTER TABLE listed ADD COLUMN renewed_ref text COLLATE "C";

CREATE OR REPLACE FUNCTION leave_listed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM listings WHERE pool IN (SELECT pool FROM gone) ORDER BY pool FOR SHARE;
    UPDATE listed SET candidate = NULL, fit = NULL, shown = NULL, renewed_ref = NULL
    FROM gone WHERE listed.pool = gone.pool AND listed.candidate = gone.candidate;
    RETURN NULL;
END $$;
