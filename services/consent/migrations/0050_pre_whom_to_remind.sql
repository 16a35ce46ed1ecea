-- fairpool: no transaction
-- Whose grant ends next.
CREATE INDEX CONCURRENTLY IF NOT EXISTS consents_to_remind ON consents (remind_at) WHERE remind_at IS NOT NULL;
