-- What others told of a person's work, and what was typed on the join page: nothing of it is in force or shown before the
-- person kept it. It goes where its claim goes: with the vendor's deletion, with the person's erasure, to a merge's winner.
ALTER TABLE claims ADD CONSTRAINT claims_of_one_person UNIQUE (vendor, record, candidate);

CREATE TABLE proposals (
    vendor text NOT NULL,
    record text NOT NULL,
    candidate uuid NOT NULL,
    told_at timestamptz NOT NULL,
    profile jsonb NOT NULL,                      -- coarse; occupations are those that were told as codes
    titles jsonb NOT NULL,                       -- as they were told: the person sees which occupations they may mean
    PRIMARY KEY (vendor, record),
    FOREIGN KEY (vendor, record, candidate) REFERENCES claims (vendor, record, candidate)
        ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX proposals_by_candidate ON proposals (candidate, told_at);

INSERT INTO proposals (vendor, record, candidate, told_at, profile, titles)
SELECT vendor, record, candidate, claimed_at, profile, '[]' FROM claims JOIN candidates USING (candidate) WHERE registered;

-- From here on what the person kept; null: nothing yet. What is shown of it until now is taken back by the next look.
ALTER TABLE candidates ALTER COLUMN profile DROP NOT NULL;
ALTER TABLE candidates DROP COLUMN time_zone;
UPDATE candidates SET profile = NULL, look_again_at = CASE WHEN published IS NULL THEN look_again_at ELSE now() END;
