-- fairpool: no transaction
-- Who is in a pool, and what became of a message to it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS memberships_by_seat ON memberships USING gin (seats);
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_by_parent ON outreach (parent, candidate) WHERE parent IS NOT NULL;
