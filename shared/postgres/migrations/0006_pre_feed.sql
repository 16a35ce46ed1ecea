-- Feeds: what is told to readers, append-only, numbered without gaps. Explained in shared/feed.
CREATE TABLE feeds (
    feed text PRIMARY KEY CHECK (feed ~ '^[a-z]{1,20}$'),
    generation bigint NOT NULL, -- of the numbers: another one after a restore
    history text NOT NULL, -- where they were given (feed_history)
    last_seq bigint NOT NULL DEFAULT 0,
    last_told_at timestamptz NOT NULL DEFAULT '-infinity',
    forgotten_seq bigint NOT NULL DEFAULT 0, -- all up to here is gone
    forgotten_at timestamptz NOT NULL DEFAULT '-infinity'
);

-- What was committed and has no number yet.
CREATE TABLE feed_incoming (
    feed text NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    reader text NOT NULL,
    body json NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (feed, id)
);
ALTER TABLE feed_incoming SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- One partition a feed, in it one a day (UTC) of `told_at`, which never falls as `seq` rises.
CREATE TABLE feed_rows (
    feed text NOT NULL,
    seq bigint NOT NULL,
    told_at timestamptz NOT NULL,
    reader text NOT NULL,
    body json NOT NULL,
    PRIMARY KEY (feed, seq, told_at)
) PARTITION BY LIST (feed);
CREATE INDEX feed_rows_of_reader ON feed_rows (feed, reader, seq);

-- The last row of each reader that was forgotten: who asks for what came before it is told so.
CREATE TABLE feeds_forgotten (
    feed text NOT NULL,
    reader text NOT NULL,
    seq bigint NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (feed, reader)
);

-- Which history this database has: another one when it was restored into another cluster or database, or to a point in time.
CREATE FUNCTION feed_history() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('%s:%s:%s', system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8),
                  (SELECT oid FROM pg_database WHERE datname = current_database()))
    FROM pg_control_system()
$$;

CREATE FUNCTION feed_new_generation() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint + 1
$$;

CREATE FUNCTION make_feed(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feeds (feed, generation, history) VALUES (name, feed_new_generation(), feed_history());
    EXECUTE format('CREATE TABLE %I PARTITION OF feed_rows FOR VALUES IN (%L) PARTITION BY RANGE (told_at)',
                   'feed_rows_' || name, name);
END $$;

-- The partition for what is told at this moment, made where it is missing; beside readers and writers, which it waits for none of.
CREATE FUNCTION make_feed_partition(name text, moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_feed text := 'feed_rows_' || name;
    first timestamptz := date_trunc('day', moment, 'UTC');
    of_day text := of_feed || to_char(first AT TIME ZONE 'UTC', '_YYYYMMDD');
BEGIN
    IF to_regclass(of_day) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', of_day, of_feed);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       of_feed, of_day, first, first + interval '24 hours');
    END IF;
END $$;

-- Drops the oldest partition if all of it was told before this moment, and notes how far each reader's feed has forgotten;
-- whether there was one.
CREATE FUNCTION drop_feed_partition(name text, before timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    of_feed text := 'feed_rows_' || name;
    oldest text;
BEGIN
    SELECT relname INTO oldest FROM pg_inherits JOIN pg_class ON oid = inhrelid
    WHERE inhparent = to_regclass(of_feed)
        AND to_date(right(relname, 8), 'YYYYMMDD') < (before AT TIME ZONE 'UTC')::date
    ORDER BY relname LIMIT 1;
    IF oldest IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', of_feed);
    IF to_regclass(oldest) IS NULL THEN
        RETURN true; -- somebody else was faster
    END IF;
    EXECUTE format('
        WITH gone AS (SELECT reader, max(seq) AS seq, max(told_at) AS told_at FROM %I GROUP BY reader),
        noted AS (
            INSERT INTO feeds_forgotten AS known (feed, reader, seq, told_at) SELECT %L, reader, seq, told_at FROM gone
            ON CONFLICT (feed, reader) DO UPDATE SET seq = excluded.seq, told_at = excluded.told_at
            WHERE known.seq < excluded.seq)
        UPDATE feeds SET forgotten_seq = greatest(forgotten_seq, last.seq), forgotten_at = greatest(forgotten_at, last.told_at)
        FROM (SELECT max(seq) AS seq, max(told_at) AS told_at FROM gone) AS last WHERE feed = %L', oldest, name, name);
    EXECUTE format('DROP TABLE %I', oldest);
    RETURN true;
END $$;
