-- How late a no may be that the kept yes lifts: a later one counts whatever its version.
ALTER TABLE persons ADD COLUMN consent_lifts_no_until timestamptz;
