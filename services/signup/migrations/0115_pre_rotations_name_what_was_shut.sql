-- What a rotation found that did not open, besides identities, which keep their row: named for the operator who has to do something.
ALTER TABLE rotations
    ADD COLUMN sources_shut text[] NOT NULL DEFAULT '{}',      -- format/source: webhooks that wait for another secret
    ADD COLUMN days_forgotten date[] NOT NULL DEFAULT '{}';    -- whose intake keys are gone
