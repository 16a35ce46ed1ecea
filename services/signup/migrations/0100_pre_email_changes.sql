-- A change of a person's email, one at a time. Both addresses are sealed under the person's own data key, so a rotation re-wraps that key alone.
CREATE TABLE email_changes (
    candidate uuid PRIMARY KEY REFERENCES candidates ON DELETE CASCADE,
    id text NOT NULL,                        -- stands in its links
    state text NOT NULL CHECK (state IN ('asked', 'recovering', 'waiting', 'changed')),
    new_said boolean NOT NULL DEFAULT false,
    old_said boolean NOT NULL DEFAULT false,
    until timestamptz NOT NULL,              -- of the state; what comes then is decided by signup
    sealed bytea NOT NULL,                   -- JSON {"new", "old"}
    old_since timestamptz NOT NULL           -- since when the old address had been theirs: links from before went elsewhere
);
CREATE INDEX email_changes_by_end ON email_changes (until);

-- What the keys make of an address that was given up less than 72 hours ago: it still finds its person, and is nobody else's.
CREATE TABLE former_mailboxes (
    blind_index bytea PRIMARY KEY,
    candidate uuid NOT NULL REFERENCES email_changes ON DELETE CASCADE
);
CREATE INDEX former_mailboxes_by_candidate ON former_mailboxes (candidate);

-- With the code a person whose mailbox is lost moves to another one; kept as an HMAC under their own data key.
CREATE TABLE recovery_codes (
    candidate uuid PRIMARY KEY REFERENCES candidates ON DELETE CASCADE,
    code_hash bytea NOT NULL,
    made_at timestamptz NOT NULL,
    spent_at timestamptz                     -- the row stays: the first code is made by an invitation's link, and once
);

ALTER TABLE candidates
    ADD COLUMN email_since timestamptz,      -- null: the one that they came with
    ADD COLUMN links_from timestamptz;       -- no link from before signs anybody in
