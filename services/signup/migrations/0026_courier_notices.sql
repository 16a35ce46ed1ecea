-- Four kinds of notices; who told when, what was changed in the person's name, and the zone in which they are told of it.
ALTER TABLE courier_mails
    DROP CONSTRAINT courier_mails_purpose_check,
    ADD CONSTRAINT courier_mails_purpose_check CHECK (purpose IN ('confirm', 'sign_in', 'changed', 'stop_asked')),
    ADD COLUMN introduced_at timestamptz,
    ADD COLUMN changes jsonb NOT NULL DEFAULT '[]';
ALTER TABLE courier_consent ADD COLUMN time_zone text;
