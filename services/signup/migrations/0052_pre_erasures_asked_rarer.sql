-- How often a service was asked, and when it is asked next: rarer each time. An older release goes by `asked_at` as before.
ALTER TABLE erasures_outstanding
    ADD COLUMN asked integer NOT NULL DEFAULT 1,
    ADD COLUMN ask_at timestamptz NOT NULL DEFAULT now() + interval '10 minutes';
CREATE INDEX erasures_outstanding_by_turn ON erasures_outstanding (ask_at);
