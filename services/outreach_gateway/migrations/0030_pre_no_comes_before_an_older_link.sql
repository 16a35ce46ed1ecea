-- When `contact` last went off, and how late a no may be that this yes still lifts: nothing goes on by a link from before a no.
ALTER TABLE consents ADD COLUMN no_at timestamptz, ADD COLUMN lifts_no_until timestamptz;
