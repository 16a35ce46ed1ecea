-- fairpool: no transaction
-- How many an employer introduced, once a tick.
CREATE INDEX CONCURRENTLY IF NOT EXISTS introductions_by_employer ON introductions (employer, candidate);
