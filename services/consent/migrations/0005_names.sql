-- Employers that a person blocks by a name or a domain, whether they have joined yet or not.
ALTER TABLE consents
    ADD COLUMN blocked_names text[] NOT NULL DEFAULT '{}',
    ADD COLUMN blocked_keys text[] NOT NULL DEFAULT '{}'; -- what the names are found by
CREATE INDEX consents_by_blocked_key ON consents USING gin (blocked_keys) WHERE blocked_keys <> '{}';

-- The employers of the network by what they are found by; `blocks_until`: whoever named them is being looked for.
CREATE TABLE employers (
    employer text PRIMARY KEY,
    version bigint NOT NULL,
    keys text[] NOT NULL,
    blocks_until timestamptz
);
CREATE INDEX employers_by_key ON employers USING gin (keys);
CREATE INDEX employers_that_block ON employers (employer) WHERE blocks_until IS NOT NULL;
