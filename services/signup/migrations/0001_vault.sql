-- The vault: who a candidate is, sealed; and how one is found again without opening anything.
CREATE TABLE candidates (
    candidate uuid PRIMARY KEY,
    blind_index bytea NOT NULL UNIQUE,           -- HMAC-SHA256 of the normalised mail address
    registered_at timestamptz NOT NULL,
    stub_until timestamptz NOT NULL,             -- whoever has not confirmed by then is purged
    confirmed_at timestamptz,                    -- the person opened their link and answered; null: a stub
    profile jsonb NOT NULL,                      -- coarse; no personal field
    time_zone text,
    consent_version integer NOT NULL DEFAULT 0,
    match_granted boolean NOT NULL DEFAULT false,
    paused_until timestamptz,
    ends_at timestamptz,
    look_again_at timestamptz,                   -- when a pause or the consent itself is over
    profile_version integer NOT NULL DEFAULT 0,
    published jsonb                              -- the profile that candidate-profiles shows now; null: none
);
CREATE INDEX candidates_to_purge ON candidates (stub_until) WHERE confirmed_at IS NULL;
CREATE INDEX candidates_to_look_at ON candidates (look_again_at) WHERE look_again_at IS NOT NULL;

-- Deleting the row destroys the person's data keys and with them everything that was sealed.
CREATE TABLE identities (
    candidate uuid PRIMARY KEY REFERENCES candidates ON DELETE CASCADE,
    version integer NOT NULL,             -- of the sealed fields; part of what each box authenticates
    identity_key bytea NOT NULL,          -- data key of the personal fields, sealed under the vault key
    messages_key bytea NOT NULL,          -- data key of the private key, sealed under the vault key
    mail bytea NOT NULL,                  -- sealed under identity_key
    name bytea NOT NULL,                  -- sealed under identity_key: JSON {"given", "family"}
    phones bytea NOT NULL,                -- sealed under identity_key: JSON list, E.164
    public_key text NOT NULL,             -- X25519, base64url: employers' words are sealed to it
    private_key bytea NOT NULL            -- sealed under messages_key
);
