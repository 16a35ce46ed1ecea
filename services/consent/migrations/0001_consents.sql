-- What each person allows now. Changed only under the row's lock, the version rising by one.
CREATE TABLE consents (
    candidate text PRIMARY KEY,
    principal text NOT NULL UNIQUE,
    version bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
    changed_at timestamptz,
    purposes text[] NOT NULL DEFAULT '{}' CHECK (purposes <@ ARRAY['match', 'contact']),
    sectors text[] NOT NULL DEFAULT '{}',
    blocked_employers text[] NOT NULL DEFAULT '{}',
    first_contacts_per_week smallint,
    min_gap_hours smallint,
    quiet_start time,
    quiet_end time,
    time_zone text,
    paused_until timestamptz,
    ends_at timestamptz,
    leaf bytea,
    receipt text,
    outbox_id bigint,
    CHECK ((quiet_start IS NULL) = (quiet_end IS NULL)),
    CHECK ((version = 0) = (leaf IS NULL))
);

-- One leaf for each change, each with the leaf before it of the same person: a gap shows.
CREATE TABLE ledger (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    candidate text NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    leaf bytea NOT NULL CHECK (length(leaf) = 32),
    previous bytea CHECK ((version = 1) = (previous IS NULL)),
    at timestamptz NOT NULL,
    UNIQUE (candidate, version)
);

CREATE FUNCTION refuse_to_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the table % only ever grows: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER ledger_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite();

-- The nonce of each leaf, apart from it: without the nonce a leaf says nothing, so this is what an erasure deletes.
CREATE TABLE ledger_openings (
    seq bigint PRIMARY KEY REFERENCES ledger,
    nonce bytea NOT NULL CHECK (length(nonce) = 32)
);

CREATE TABLE receipts (
    id text PRIMARY KEY,
    seq bigint NOT NULL UNIQUE REFERENCES ledger,
    document json NOT NULL
);
