-- Feeds forgot before it was written down how far: nothing that stands is older than the oldest update of all, so a cursor
-- from before it is told 410. An employer without any update left may have lost all of them.
INSERT INTO feed_forgotten (employer, written_by, id)
SELECT employer, coalesce(oldest.written_by, pg_current_xact_id()), coalesce(oldest.id - 1, 0)
FROM (SELECT employer FROM feed UNION SELECT employer FROM pools) AS known
LEFT JOIN (SELECT written_by, id FROM feed ORDER BY feed.written_by, id LIMIT 1) AS oldest ON true
ON CONFLICT (employer) DO NOTHING;
