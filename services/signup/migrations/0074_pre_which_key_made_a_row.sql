-- Which key of the blind index found this person's place, by its id; null: a row of before there was this column.
ALTER TABLE candidates ADD COLUMN index_key bytea;
-- Which pepper made the slow hash, and 24 bits by which a mailbox that surely is not kept is told in a microsecond; null: a hash
-- of before there were these, which may be anybody's.
ALTER TABLE invitations ADD COLUMN pepper bytea, ADD COLUMN prefix integer;
