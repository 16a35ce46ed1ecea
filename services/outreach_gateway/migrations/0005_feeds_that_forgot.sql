-- Feeds forgot before it was written down how far: nothing that stands is older than the oldest change of all, so a cursor
-- from before it is told 410. An employer without any change left may have lost all of them.
INSERT INTO changes_forgotten (employer, xid, id)
SELECT employer, coalesce(oldest.xid, pg_current_xact_id()), coalesce(oldest.id - 1, 0)
FROM (SELECT employer FROM changes UNION SELECT employer FROM outreach) AS known
LEFT JOIN (SELECT xid, id FROM changes ORDER BY changes.xid, id LIMIT 1) AS oldest ON true
ON CONFLICT (employer) DO NOTHING;
