-- Which pools a person is in now: a copy of `memberships`, guarded by its version.
CREATE TABLE memberships (
    candidate text PRIMARY KEY,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    pools jsonb NOT NULL
);

-- Which employer could read what of whom, from when until when.
CREATE TABLE disclosures (
    candidate text NOT NULL,
    at timestamptz NOT NULL,
    pool text NOT NULL,
    employer text NOT NULL,
    fields text[] NOT NULL,
    way text NOT NULL,
    -- Of the person's memberships: they are in the pool for as long as these name it with this time, in this version or later.
    member_since timestamptz NOT NULL,
    memberships bigint NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (candidate, at, pool)
);
CREATE INDEX disclosures_in_force ON disclosures (candidate) WHERE ended_at IS NULL;
CREATE INDEX disclosures_by_end ON disclosures (ended_at) WHERE ended_at IS NOT NULL;

-- What pools ask for, without their names; of a deleted one what it asked for last.
CREATE TABLE pools (
    pool text PRIMARY KEY,
    version bigint NOT NULL,
    employer text NOT NULL,
    criteria jsonb,
    removed_at timestamptz
);
CREATE INDEX pools_removed ON pools (removed_at) WHERE removed_at IS NOT NULL;
