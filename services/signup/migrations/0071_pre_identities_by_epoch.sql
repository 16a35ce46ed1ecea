-- fairpool: no transaction
-- What is still to be re-wrapped, and whether an epoch may end.
CREATE INDEX CONCURRENTLY IF NOT EXISTS identities_by_epoch ON identities (epoch, candidate);
