-- What an employer was told of each message, and when something comes to be told; the old feed is the operator's from here on.
ALTER TABLE outreach
    ADD COLUMN last_day date,
    ADD COLUMN sent_at timestamptz,
    ADD COLUMN heard_at timestamptz,
    ADD COLUMN taken_back_at timestamptz,
    ADD COLUMN told text NOT NULL DEFAULT 'waiting',
    ADD COLUMN tell_at timestamptz,
    ADD COLUMN key_missing boolean NOT NULL DEFAULT false;
SELECT make_feed('told');
