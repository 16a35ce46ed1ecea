-- What of whom which employer may read from a commit on, written in that transaction, and here until `disclosures` (the topic) has it.
CREATE TABLE disclosures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    candidate text COLLATE "C" NOT NULL,
    employer text NOT NULL,
    pool text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    -- Of the row that is shown; null: nobody of the pool is shown any more.
    fields text[],
    member_since timestamptz,
    memberships bigint
);
CREATE INDEX disclosures_of_person ON disclosures (candidate);

-- What of a row was noted so: what is shown is part of it.
ALTER TABLE listed ADD COLUMN noted jsonb;

CREATE OR REPLACE FUNCTION leave_listed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM listings WHERE pool IN (SELECT pool FROM gone) ORDER BY pool FOR SHARE;
    UPDATE listed SET candidate = NULL, fit = NULL, shown = NULL, noted = NULL
    FROM gone WHERE listed.pool = gone.pool AND listed.candidate = gone.candidate;
    RETURN NULL;
END $$;
