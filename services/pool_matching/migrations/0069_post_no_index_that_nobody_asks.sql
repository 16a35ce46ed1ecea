-- fairpool: no transaction
-- Of refs that knew no pool: since a ref has a key, `with_older_refs` asks `memberships_by_ref_key` alone, which has them too.
DROP INDEX CONCURRENTLY IF EXISTS memberships_with_older_refs;
