-- Each shard has an epoch of its own, and the indexes of before have wider ones in their place.
DROP TABLE epoch;
DROP INDEX outreach_slots;
DROP INDEX outreach_due;
