-- fairpool: no transaction
-- All messages of one employer, by id: whoever takes over its seat reads them page by page.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_of_seat ON outreach (employer, id COLLATE "C") WHERE parent IS NULL;
