-- fairpool: no transaction
-- `candidates_by_index_key_and_id` finds all that this one did.
DROP INDEX CONCURRENTLY IF EXISTS candidates_by_index_key;
