-- fairpool: no transaction
-- What ended is forgotten by the last day of the message itself: by the time of its decision, an employer could see that time.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_ended_by_day ON outreach (last_day);
