-- Which shard of the windows a person is of: `shard_of` of services/outreach_gateway/model.py says the same.
CREATE FUNCTION shard_of(candidate uuid) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN get_byte(uuid_send(candidate), 15) & 63;

-- One row a shard: under which name its windows were built. Batches hold a shared lock on what they touch; who builds a
-- shard anew takes it alone, for a moment, and then says here how far it is.
CREATE TABLE epochs (
    shard integer PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    name text NOT NULL DEFAULT 'none',
    building text,
    since timestamptz,
    after uuid,
    placed bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0
);
INSERT INTO epochs (shard) SELECT * FROM generate_series(0, 63);

-- The slots of a shard, person by person: a building reads this index alone.
CREATE INDEX outreach_slots_of_shard ON outreach (shard_of(candidate), candidate) INCLUDE (id, employer, slot_at)
    WHERE slot_at IS NOT NULL;
DROP INDEX outreach_slots;
-- What is due, without that of shards which are held.
CREATE INDEX outreach_due_of_shards ON outreach (due_at, shard_of(candidate)) WHERE due_at IS NOT NULL;
DROP INDEX outreach_due;
