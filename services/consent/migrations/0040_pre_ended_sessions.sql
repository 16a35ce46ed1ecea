-- Sessions that signup has ended before their time, until they would have ended by themselves.
CREATE TABLE ended_sessions (
    session text PRIMARY KEY,
    candidate text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX ended_sessions_by_candidate ON ended_sessions (candidate);
CREATE INDEX ended_sessions_by_end ON ended_sessions (expires_at);
