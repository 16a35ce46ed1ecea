-- Who is signed in: a session by its name, which opens nothing, and the link that was spent for it, which can be spent once.
CREATE TABLE sessions (
    name text PRIMARY KEY,
    candidate uuid NOT NULL REFERENCES candidates ON DELETE CASCADE,
    link bytea NOT NULL UNIQUE,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    browser text NOT NULL,
    ended_at timestamptz,
    kept_until timestamptz NOT NULL
);
CREATE INDEX sessions_by_candidate ON sessions (candidate);
CREATE INDEX sessions_by_end ON sessions (kept_until);
