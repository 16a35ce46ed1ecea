-- Where a claim, and what it proposes, came from: the vendor's own id of the event, how the edge knew that it was the vendor's, and
-- when it came. Null: of before these were kept. What was proposed by then is taken as answered by whoever has spoken.
ALTER TABLE claims ADD COLUMN event_id text, ADD COLUMN proof text, ADD COLUMN received_at timestamptz;
ALTER TABLE proposals ADD COLUMN event_id text, ADD COLUMN proof text, ADD COLUMN received_at timestamptz,
    ADD COLUMN answered_at timestamptz DEFAULT now();
ALTER TABLE proposals ALTER COLUMN answered_at DROP DEFAULT;

-- Where each value of the profile that the person kept came from.
CREATE TABLE profile_origins (
    candidate uuid PRIMARY KEY REFERENCES candidates ON DELETE CASCADE,
    origins jsonb NOT NULL
);
-- "Not me": this record of a vendor is not of this person, so that it claims and proposes nothing to them again.
CREATE TABLE not_theirs (
    vendor text NOT NULL,
    record text NOT NULL,
    candidate uuid NOT NULL REFERENCES candidates ON DELETE CASCADE,
    employer text,
    said_at timestamptz NOT NULL,
    PRIMARY KEY (vendor, record, candidate)
);
CREATE INDEX not_theirs_by_candidate ON not_theirs (candidate);
