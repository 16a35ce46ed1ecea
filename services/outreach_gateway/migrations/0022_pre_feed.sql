-- The feed of state changes is one of those of shared/feed. Nobody writes to the old one while its rows are carried over.
LOCK TABLE changes IN SHARE ROW EXCLUSIVE MODE;
SELECT make_feed('outreach');
SELECT make_feed_partition('outreach', day) FROM (
    SELECT DISTINCT date_trunc('day', max(at) OVER (ORDER BY xid, id), 'UTC') AS day FROM changes ORDER BY day) AS days;
INSERT INTO feed_rows (feed, seq, told_at, reader, body)
SELECT 'outreach', row_number() OVER (ORDER BY xid, id), max(at) OVER (ORDER BY xid, id), employer,
    json_build_object('outreach', outreach, 'state', state, 'rule', rule, 'at', at)
FROM changes;
UPDATE feeds SET last_seq = carried.seq, last_told_at = carried.told_at
FROM (SELECT seq, told_at FROM feed_rows WHERE feed = 'outreach' ORDER BY seq DESC LIMIT 1) AS carried
WHERE feed = 'outreach';

-- What a process of the release before writes there goes on to where feeds are read now.
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_incoming (feed, reader, body) VALUES ('outreach', NEW.employer,
        json_build_object('outreach', NEW.outreach, 'state', NEW.state, 'rule', NEW.rule, 'at', NEW.at));
    RETURN NULL;
END $$;
CREATE TRIGGER tell_change AFTER INSERT ON changes FOR EACH ROW EXECUTE FUNCTION tell_change();
