-- Which employers are to be blocked for those who named them stands in `work`, as everything that is to be done does. After the
-- release: what the version before learned of meanwhile is moved too.
INSERT INTO work (queue, key, run_at)
SELECT 'blocks', employer, now() FROM employers WHERE blocks_until IS NOT NULL
ON CONFLICT DO NOTHING;
DELETE FROM work WHERE queue = 'block_named';
DROP INDEX employers_that_block;
