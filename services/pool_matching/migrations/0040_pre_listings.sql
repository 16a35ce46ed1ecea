-- What an employer sees of a pool: changed at its ticks, and in between by leaving alone.
CREATE TABLE listings (
    pool text COLLATE "C" PRIMARY KEY REFERENCES pools,
    employer text NOT NULL,
    state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'open', 'closed')),
    told_at timestamptz, -- the tick as of which it was decided last
    made_for bigint NOT NULL DEFAULT 0, -- the version of the pool that it was decided for last
    size integer NOT NULL DEFAULT 0, -- rows in `listed`, but for those that are being told to have left
    is_unfinished boolean NOT NULL DEFAULT false -- rows wait to be told, or of a closed one to be deleted
);
CREATE INDEX listings_of_employer ON listings (employer, pool);
INSERT INTO listings (pool, employer) SELECT pool, employer FROM pools WHERE criteria IS NOT NULL;

-- A row without a candidate is somebody who left, of whom the feed has not said so yet: nothing else is known of them any more.
CREATE TABLE listed (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool text COLLATE "C" NOT NULL,
    candidate text COLLATE "C",
    member_ref text COLLATE "C" NOT NULL,
    since date NOT NULL,
    counts boolean NOT NULL, -- toward the fewest that are listed at all
    fit jsonb, -- what the pool asks for, as of when they were last told
    shown jsonb, -- what of it is shown
    telling text CHECK (telling IN ('joined', 'changed', 'left')), -- what the feed is about to say
    CHECK ((candidate IS NULL) = (fit IS NULL) AND (candidate IS NULL) = (shown IS NULL))
);
CREATE UNIQUE INDEX listed_of_person ON listed (pool, candidate);
CREATE INDEX listed_in_order ON listed (pool, member_ref);
CREATE INDEX listed_who_count ON listed (pool) WHERE counts AND candidate IS NOT NULL;
CREATE INDEX listed_to_tell ON listed (pool, member_ref, id) WHERE telling IS NOT NULL;

-- Whoever leaves a pool is gone from its list in the same transaction, whatever act it was and whichever process does it. Whoever
-- writes a listing holds its row alone, and this waits for them: so nobody is listed by who has not seen them leave. The row is made
-- with the pool: before anybody can leave it.
CREATE FUNCTION leave_listed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM listings WHERE pool IN (SELECT pool FROM gone) ORDER BY pool FOR SHARE;
    UPDATE listed SET candidate = NULL, fit = NULL, shown = NULL
    FROM gone WHERE listed.pool = gone.pool AND listed.candidate = gone.candidate;
    RETURN NULL;
END $$;
CREATE TRIGGER leave_listed AFTER DELETE ON memberships
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION leave_listed();
