-- The highest version of a key on its topic: where it does not come last, readers have it all the same.
ALTER TABLE read_back_seen ADD COLUMN highest bigint NOT NULL DEFAULT 0;
