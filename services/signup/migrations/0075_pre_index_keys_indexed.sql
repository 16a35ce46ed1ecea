-- fairpool: no transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS candidates_by_index_key ON candidates (index_key);
