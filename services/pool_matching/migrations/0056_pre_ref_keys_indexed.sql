-- fairpool: no transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS memberships_by_ref_key ON memberships (ref_key);
