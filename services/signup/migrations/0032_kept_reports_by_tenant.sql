-- How much is kept of one tenant's unknown records is counted before more is taken; what only remembers a deletion does not count.
CREATE INDEX kept_reports_by_vendor ON kept_reports (vendor) WHERE NOT counted;
