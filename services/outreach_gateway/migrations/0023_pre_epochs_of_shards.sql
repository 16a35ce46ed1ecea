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
