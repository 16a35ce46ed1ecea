-- What `fairpool restore` writes into a database that it filled from a dump: who is closed until `erasures` has been replayed.
-- It makes the table itself in the dump of an older release.
CREATE TABLE IF NOT EXISTS restored (
    process text PRIMARY KEY,
    taken_at timestamptz NOT NULL, -- when the dump was made
    restored_at timestamptz NOT NULL DEFAULT now(),
    ends bigint[] NOT NULL -- by partition, how far `erasures` had come when the dump was made: it can't have less now
);
