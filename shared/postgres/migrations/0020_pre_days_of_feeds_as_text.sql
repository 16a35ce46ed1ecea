-- Days are compared as text: where a database has many tables, PostgreSQL asks the condition of all of them before it looks whose
-- partition each is, and what is no day can't be read as one. That ended the process at each start.
CREATE OR REPLACE FUNCTION drop_feed_partition(name text, before timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    of_feed text := 'feed_rows_' || name;
    oldest text;
BEGIN
    SELECT relname INTO oldest FROM pg_inherits JOIN pg_class ON oid = inhrelid
    WHERE inhparent = to_regclass(of_feed)
        AND right(relname, 8) < to_char(before AT TIME ZONE 'UTC', 'YYYYMMDD')
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
