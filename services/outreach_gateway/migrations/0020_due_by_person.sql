-- fairpool: no transaction
-- What is due of a person is asked for by the person.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_due_of ON outreach (candidate, due_at) WHERE due_at IS NOT NULL;
