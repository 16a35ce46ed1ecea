-- Which epoch keys there are, and what finds each at its keeper (FAIRPOOL_VAULT_KEYS). The keys themselves are never in the database,
-- so that a dump from before a rotation can't be opened after it. Whatever is sealed under one refers to it: an epoch can't end
-- while a row does, and no row comes after it has ended.
CREATE TABLE epochs (
    epoch integer PRIMARY KEY,
    name text NOT NULL UNIQUE,                   -- at the keeper; there before the key is made, so that none is lost
    reference text,                              -- null: its key is still to be made
    made_at timestamptz
);
-- The epoch of whatever was sealed before there were epochs; in a new vault, the first.
INSERT INTO epochs (epoch, name) VALUES (1, 'epoch-1-' || gen_random_uuid());

-- The version before writes no epoch, and reads three boxes where this one writes one.
ALTER TABLE identities
    ADD COLUMN epoch integer NOT NULL DEFAULT 1 REFERENCES epochs,
    ADD COLUMN identity bytea,                   -- JSON, sealed under identity_key; null: still the three boxes
    ALTER COLUMN mail SET DEFAULT '',
    ALTER COLUMN name SET DEFAULT '',
    ALTER COLUMN phones SET DEFAULT '';
ALTER TABLE intake_keys ADD COLUMN epoch integer NOT NULL DEFAULT 1 REFERENCES epochs;
ALTER TABLE sources ADD COLUMN epoch integer NOT NULL DEFAULT 1 REFERENCES epochs;
