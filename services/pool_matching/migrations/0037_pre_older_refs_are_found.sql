-- fairpool: no transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS memberships_with_older_refs ON memberships (candidate) WHERE generation IS NULL;
