-- Rotations of the vault, one at a time, and the epochs that they ended.
CREATE TABLE rotations (
    into_epoch integer PRIMARY KEY,              -- under whose key everything is to be
    asked_at timestamptz NOT NULL,
    asked_by text NOT NULL,                      -- the operator
    rewrapped bigint NOT NULL DEFAULT 0,         -- identities
    unreadable bigint NOT NULL DEFAULT 0,        -- of these, those that did not open before either
    after_epoch integer NOT NULL DEFAULT 0,      -- how far it has come among the identities
    after_candidate uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    given_up integer[] NOT NULL DEFAULT '{}',    -- epochs whose keys are lost and that it may go past, as an operator said
    done_at timestamptz                          -- the keys of the epochs before are destroyed
);
CREATE UNIQUE INDEX rotations_one_at_a_time ON rotations ((done_at IS NULL)) WHERE done_at IS NULL;

CREATE TABLE epochs_ended (
    epoch integer PRIMARY KEY,
    reference text,                              -- what the key is to be destroyed by; null: none was made
    ended_at timestamptz NOT NULL,
    destroyed_at timestamptz                     -- null: its key is still to be destroyed
);
