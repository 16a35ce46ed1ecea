-- What people take along, while consent is asked and until it is gone. Keys and zip are sealed to the person; the parts are
-- sealed to the export's own key.
CREATE TABLE exports (
    name text PRIMARY KEY,
    candidate uuid NOT NULL REFERENCES candidates ON DELETE CASCADE,
    state text NOT NULL CHECK (state IN ('waiting', 'ready', 'replaced')),
    asked_at timestamptz NOT NULL,
    consent_asked_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    ready_at timestamptz,
    size integer,
    public_key text,
    private_key bytea,
    box bytea
);
CREATE UNIQUE INDEX exports_one_at_a_time ON exports (candidate) WHERE state = 'waiting';
CREATE INDEX exports_of ON exports (candidate, asked_at);
CREATE INDEX exports_by_end ON exports (ends_at);
CREATE INDEX exports_to_ask ON exports (consent_asked_at) WHERE state = 'waiting';

CREATE TABLE export_parts (
    export text NOT NULL REFERENCES exports ON DELETE CASCADE,
    candidate uuid NOT NULL,
    answer text NOT NULL,
    part smallint NOT NULL,
    parts smallint NOT NULL,
    sealed text NOT NULL,
    PRIMARY KEY (export, answer, part)
);
