-- fairpool: no transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS invitations_by_prefix ON invitations (pepper, prefix);
