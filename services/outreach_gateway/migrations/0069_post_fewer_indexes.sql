-- fairpool: no transaction
-- What 0068 has others in the place of.
DROP INDEX CONCURRENTLY IF EXISTS outreach_by_candidate;
DROP INDEX CONCURRENTLY IF EXISTS outreach_of_employer_to;
DROP INDEX CONCURRENTLY IF EXISTS outreach_waiting;
DROP INDEX CONCURRENTLY IF EXISTS outreach_due_of;
DROP INDEX CONCURRENTLY IF EXISTS outreach_places;
DROP INDEX CONCURRENTLY IF EXISTS outreach_ended_by_day;
