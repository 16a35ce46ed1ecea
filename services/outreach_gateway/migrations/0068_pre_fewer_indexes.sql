-- fairpool: no transaction
-- Each change of a row makes an entry in each index that it is in, so one serves what several did.
-- What is written to a person: by whom, and by all of them (in the place of outreach_by_candidate and outreach_of_employer_to).
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_to_person ON outreach (candidate, employer, submitted_at);
-- A person's queue: what waits, what is due, what has a slot (in the place of outreach_waiting, outreach_due_of and outreach_places).
-- Few of a person's messages, beside those that ended without one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_queue ON outreach (candidate)
    WHERE slot_at IS NOT NULL OR due_at IS NOT NULL OR state IN ('submitted', 'delayed');
-- What ended is forgotten by its last day; what has not ended need not be in there (in the place of outreach_ended_by_day).
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_over ON outreach (last_day)
    WHERE state IN ('dropped', 'cancelled', 'delivered', 'bounced', 'doubtful');
