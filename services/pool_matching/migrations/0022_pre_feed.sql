-- Employers' updates are one of the feeds of shared/feed. Nobody writes to the old one while its rows are carried over.
LOCK TABLE outbox, feed IN SHARE ROW EXCLUSIVE MODE;
SELECT make_feed('updates');
SELECT make_feed_partition('updates', day) FROM (
    SELECT DISTINCT date_trunc('day', max(stored_at) OVER (ORDER BY written_by, id), 'UTC') AS day
    FROM feed ORDER BY day) AS days;
INSERT INTO feed_rows (feed, seq, told_at, reader, body)
SELECT 'updates', row_number() OVER (ORDER BY written_by, id), max(stored_at) OVER (ORDER BY written_by, id), employer,
    json_build_object('id', update_id, 'change', change, 'pool', pool, 'member_ref', member_ref, 'at', at)
FROM feed;
UPDATE feeds SET last_seq = carried.seq, last_told_at = carried.told_at
FROM (SELECT seq, told_at FROM feed_rows WHERE feed = 'updates' ORDER BY seq DESC LIMIT 1) AS carried
WHERE feed = 'updates';

-- A process of the release before publishes an update and puts it into its feed when it comes back from Kafka. From now on it
-- is told when it is published; what was on its way already is told when it comes back. Ids of this release's begin with `up_`.
CREATE TABLE feed_told_before (id text PRIMARY KEY);
CREATE FUNCTION tell_published_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    update_id text := (SELECT header ->> 1 FROM json_array_elements(NEW.headers) AS header WHERE header ->> 0 = 'ce_id');
    update json := convert_from(NEW.value, 'UTF8')::json;
BEGIN
    IF update_id NOT LIKE 'up\_%' THEN
        INSERT INTO feed_told_before VALUES (update_id);
        INSERT INTO feed_incoming (feed, reader, body) VALUES ('updates', update ->> 'employer',
            json_build_object('id', update_id, 'change', update -> 'change', 'pool', update -> 'pool',
                              'member_ref', update -> 'member_ref', 'at', update -> 'at'));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_published_update AFTER INSERT ON outbox FOR EACH ROW
WHEN (NEW.topic = 'pool-updates') EXECUTE FUNCTION tell_published_update();
CREATE FUNCTION tell_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.update_id NOT LIKE 'up\_%' AND NOT EXISTS (SELECT FROM feed_told_before WHERE id = NEW.update_id) THEN
        INSERT INTO feed_incoming (feed, reader, body) VALUES ('updates', NEW.employer, json_build_object('id', NEW.update_id,
            'change', NEW.change, 'pool', NEW.pool, 'member_ref', NEW.member_ref, 'at', NEW.at));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_update AFTER INSERT ON feed FOR EACH ROW EXECUTE FUNCTION tell_update();
