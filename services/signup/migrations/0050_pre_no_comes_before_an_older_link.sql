-- When a purpose last went off, as signup and as the courier have it, and how late a no may be that this yes still lifts: nothing
-- goes on by a link from before a no.
ALTER TABLE candidates ADD COLUMN consent_no_at timestamptz;
ALTER TABLE courier_consent ADD COLUMN no_at timestamptz, ADD COLUMN lifts_no_until timestamptz;
