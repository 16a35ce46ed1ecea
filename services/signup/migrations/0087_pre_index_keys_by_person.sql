-- fairpool: no transaction
-- Who is under another key, from a place on.
CREATE INDEX CONCURRENTLY IF NOT EXISTS candidates_by_index_key_and_id ON candidates (index_key, candidate);
