-- Candidates and refs are compared byte by byte, as the code compares them.

CREATE TABLE persons (
    candidate text COLLATE "C" PRIMARY KEY,
    profile_version bigint NOT NULL DEFAULT 0,
    profile jsonb,
    -- Of the profile: its occupations with all groups they lie in, and its state. Only to find persons for a pool.
    reach text[] NOT NULL DEFAULT '{}',
    state text,
    consent_version bigint NOT NULL DEFAULT 0,
    consent jsonb,
    -- Of the list of memberships as last published.
    version bigint NOT NULL DEFAULT 0,
    -- When a pause or the consent ends, and the person is decided again.
    due_at timestamptz
);
CREATE INDEX persons_due ON persons (due_at) WHERE due_at IS NOT NULL;

-- The one row that everybody who changes a pool locks: so changes get their numbers in the order of their commits, and
-- whoever has seen number n has seen all before it.
CREATE TABLE pool_changes (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_change bigint NOT NULL DEFAULT 0
);
INSERT INTO pool_changes DEFAULT VALUES;

CREATE TABLE pools (
    pool text COLLATE "C" PRIMARY KEY,
    employer text NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    criteria jsonb, -- null: deleted
    created_at timestamptz NOT NULL,
    change bigint NOT NULL
);
CREATE INDEX pools_of_employer ON pools (employer, created_at, pool) WHERE criteria IS NOT NULL;
CREATE INDEX pools_by_change ON pools (change);

CREATE TABLE evaluations (
    pool text COLLATE "C" PRIMARY KEY REFERENCES pools,
    version bigint NOT NULL,
    after_candidate text COLLATE "C", -- null: the batches in flight are still to be waited for
    done boolean NOT NULL DEFAULT false
);
CREATE INDEX evaluations_to_do ON evaluations (pool) WHERE NOT done;

CREATE TABLE memberships (
    pool text COLLATE "C" NOT NULL,
    candidate text COLLATE "C" NOT NULL REFERENCES persons,
    employer text NOT NULL,
    member_ref text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    shown jsonb NOT NULL,
    PRIMARY KEY (candidate, pool)
);
CREATE INDEX memberships_of_pool ON memberships (pool, candidate);
CREATE UNIQUE INDEX memberships_as_listed ON memberships (pool, member_ref);

CREATE TABLE feed (
    id bigint GENERATED ALWAYS AS IDENTITY,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    employer text NOT NULL,
    update_id text NOT NULL,
    pool text NOT NULL,
    member_ref text NOT NULL,
    change text NOT NULL,
    at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL,
    PRIMARY KEY (employer, written_by, id)
);
CREATE INDEX feed_by_age ON feed (stored_at);
