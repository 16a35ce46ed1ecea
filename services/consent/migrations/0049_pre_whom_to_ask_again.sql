-- fairpool: no transaction
-- Who allows something under an older text.
CREATE INDEX CONCURRENTLY IF NOT EXISTS consents_to_ask_again ON consents (text_asked, candidate) WHERE purposes <> ARRAY[]::text[];
