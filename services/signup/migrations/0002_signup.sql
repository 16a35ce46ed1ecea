-- Who introduced whom: provenance, and no permission of any kind.
CREATE TABLE claims (
    vendor text NOT NULL,
    record text NOT NULL,
    candidate uuid NOT NULL REFERENCES candidates ON DELETE CASCADE,
    employer text,
    registered boolean NOT NULL,                 -- this record registered the stub: it may correct the profile until the person confirms
    claimed_at timestamptz NOT NULL,
    PRIMARY KEY (vendor, record)
);
CREATE INDEX claims_by_candidate ON claims (candidate);

-- A queue of its own, so that slow hashing locks nobody's row in candidates.
CREATE TABLE to_invite (
    candidate uuid PRIMARY KEY REFERENCES candidates ON DELETE CASCADE,
    by_join boolean NOT NULL,
    asked_at timestamptz NOT NULL
);

-- Outlives the person's erasure: it can confirm a guess of an address and nothing else.
CREATE TABLE invitations (
    slow_hash bytea PRIMARY KEY,
    count integer NOT NULL,
    last_at timestamptz NOT NULL
);

CREATE TABLE intake_keys (
    day date PRIMARY KEY,
    sealed_key bytea NOT NULL                    -- under the vault key
);

-- What vendors sent already; digests, because a vendor's event id may hold anything.
CREATE TABLE intake (
    vendor text NOT NULL,
    event_digest bytea NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (vendor, event_digest)
);
CREATE INDEX intake_by_age ON intake (received_at);

CREATE TABLE sources (
    format text NOT NULL,
    source text NOT NULL,
    vendor text NOT NULL,
    employer text NOT NULL,
    sealed_secret bytea NOT NULL,                -- under the vault key
    PRIMARY KEY (format, source)
);

-- How often the pages were asked to mail an address, known or not; kept for a day.
CREATE TABLE page_requests (
    blind_index bytea NOT NULL,
    page text NOT NULL,
    asked_at timestamptz NOT NULL
);
CREATE INDEX page_requests_by_address ON page_requests (blind_index, page, asked_at);
CREATE INDEX page_requests_by_age ON page_requests (asked_at);
