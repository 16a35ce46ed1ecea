-- fairpool: no transaction
-- What an employer is told next, and which employers are to be told.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_untold ON outreach (employer, tell_at, id) WHERE tell_at IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_untold_by_time ON outreach (tell_at, employer) WHERE tell_at IS NOT NULL;
-- What an employer wrote to a person before.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_of_employer_to ON outreach (employer, candidate, submitted_at);
-- Rows of the release before, until they are filled.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_of_before ON outreach (id) WHERE last_day IS NULL;
