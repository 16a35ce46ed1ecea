-- What operators did and why: to tenants (from the topic, whichever way it was done), and whom they looked up.
CREATE TABLE operator_log (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    by text NOT NULL,
    act text NOT NULL,
    tenant text,
    candidate uuid REFERENCES candidates ON DELETE SET NULL,   -- whoever is erased is not named here either
    reason text,
    mark text UNIQUE                                          -- of a tenant's record, so that it is written once
);

-- A secret that is exchanged: the one before still signs until then.
ALTER TABLE sources
    ADD COLUMN added_at timestamptz,
    ADD COLUMN sealed_previous bytea,
    ADD COLUMN previous_until timestamptz;
