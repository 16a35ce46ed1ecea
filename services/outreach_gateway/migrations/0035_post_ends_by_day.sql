-- Nothing is forgotten by the time of its decision any more.
DROP INDEX outreach_ended;
