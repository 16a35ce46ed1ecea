-- When a purpose last went off: nothing goes on by a link from before a no.
ALTER TABLE persons ADD COLUMN consent_no_at timestamptz;
