-- fairpool: no transaction
-- The messages of a month about one kind of work.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_by_occupation ON outreach (occupation, submitted_at) WHERE occupation IS NOT NULL;
