-- fairpool: no transaction
-- The slots of a shard, person by person: a building reads this index alone.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_slots_of_shard ON outreach (shard_of(candidate), candidate)
    INCLUDE (id, employer, slot_at) WHERE slot_at IS NOT NULL;
-- What is due, without that of shards which are held.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outreach_due_of_shards ON outreach (due_at, shard_of(candidate))
    WHERE due_at IS NOT NULL;
