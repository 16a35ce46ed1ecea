-- Leaves from before, which stand under the person's id, from now on stand under their principal, as every later one does.
-- No leaf changes by it: what it commits to names the principal. Only the ledger's owner can do that (docs/decisions/0023).
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger JOIN consents ON consents.candidate = ledger.candidate) THEN
        RETURN;
    END IF;
    IF to_regprocedure('public.name_principals(text[],text[])') IS NULL THEN
        RAISE EXCEPTION 'the ledger still names people by their ids: run deploy/compose/postgres/10-databases.sh once as an '
            'administrator of PostgreSQL (docs/running.md, The owner of the ledger), then migrate again';
    END IF;
    PERFORM public.name_principals(array_agg(candidate), array_agg(principal)) FROM consents
    WHERE version > 0 AND principal IS NOT NULL;
END
$$;
