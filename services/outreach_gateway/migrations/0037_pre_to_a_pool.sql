-- One message to whoever is in a pool, unseen by its employer: the messages it becomes name it as their parent.
CREATE TABLE pool_messages (
    id text PRIMARY KEY,
    employer text NOT NULL,
    pool text NOT NULL,
    request_digest bytea NOT NULL,
    sealed bytea,
    submitted_at timestamptz NOT NULL,
    last_day date NOT NULL,
    valid_through date NOT NULL,
    tell_at timestamptz NOT NULL,
    taken_back_at timestamptz,
    sent integer
);
CREATE INDEX pool_messages_of ON pool_messages (employer, pool, submitted_at);
CREATE INDEX pool_messages_by_age ON pool_messages (submitted_at);
ALTER TABLE outreach ADD COLUMN parent text;
-- Each pool that a person is in, with its employer before it; like `pools`, they count only while `pools_version` is `version`.
ALTER TABLE memberships ADD COLUMN seats text[];
