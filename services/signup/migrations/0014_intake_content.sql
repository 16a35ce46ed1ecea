-- What an event said, beside its id: other content under an id that was used is told to the vendor, not dropped.
-- A keyed digest; null in rows that are older than this column.
ALTER TABLE intake ADD COLUMN content_digest bytea;

-- What was told last of each record by webhook. Its event id is not signed, its body is: an overheard body is no news
-- under another id, and a profile that goes from A to B and back to A is.
CREATE TABLE intake_last (
    vendor text NOT NULL,
    record_digest bytea NOT NULL,
    content_digest bytea NOT NULL,               -- keyed
    received_at timestamptz NOT NULL,
    PRIMARY KEY (vendor, record_digest)
);
CREATE INDEX intake_last_by_age ON intake_last (received_at);
