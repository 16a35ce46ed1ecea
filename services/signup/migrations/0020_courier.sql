-- The courier's own tables: the mails it has to send, its copy of the consents, and which couriers live.
CREATE TABLE courier_mails (
    kind text NOT NULL CHECK (kind IN ('outreach', 'notice')),
    id text NOT NULL,
    candidate text NOT NULL,
    employer text,
    purpose text CHECK (purpose IN ('confirm', 'sign_in')),
    version bigint NOT NULL,
    admitted boolean NOT NULL,
    sealed text,
    good_until timestamptz,
    state text NOT NULL CHECK (
        state IN ('ready', 'void', 'claimed', 'sending', 'delivered', 'bounced', 'doubtful', 'returned', 'withheld')
    ),
    not_before timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    courier text,                         -- who claimed it
    claimed_version bigint,               -- the version that was claimed
    detail text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, id)
);
CREATE INDEX courier_mails_ready ON courier_mails (not_before) WHERE state = 'ready';
CREATE INDEX courier_mails_ready_until ON courier_mails (good_until) WHERE state = 'ready';
CREATE INDEX courier_mails_in_hand ON courier_mails (courier) WHERE state IN ('claimed', 'sending');
CREATE INDEX courier_mails_by_age ON courier_mails (changed_at);

CREATE TABLE courier_consent (
    candidate text PRIMARY KEY,
    version bigint NOT NULL,
    purposes text[] NOT NULL,
    blocked_employers text[] NOT NULL,
    paused_until timestamptz,
    ends_at timestamptz
);

CREATE TABLE courier_consent_positions (
    partition integer PRIMARY KEY,
    next_offset bigint NOT NULL
);

-- By the database's own clock: the services' clock may be moved, and leases must not end by that.
CREATE TABLE courier_instances (
    courier text PRIMARY KEY,
    lives_until timestamptz NOT NULL
);
