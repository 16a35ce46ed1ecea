-- The ledger goes to the owner of the database, whom nobody can log in as: who runs may read it and add to it, no more.
-- Where an administrator has not made that owner yet, it stays until then, and consent does not start (docs/decisions/0021).
DO $$
BEGIN
    IF to_regprocedure('public.make_append_only(regclass)') IS NOT NULL THEN
        PERFORM public.make_append_only('public.ledger');
    END IF;
END
$$;
