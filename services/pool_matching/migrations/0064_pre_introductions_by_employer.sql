-- fairpool: no transaction
DROP INDEX CONCURRENTLY IF EXISTS introductions_by_employer;
CREATE INDEX CONCURRENTLY IF NOT EXISTS introductions_by_employer ON introductions (employer, candidate) WHERE employer <> '';
