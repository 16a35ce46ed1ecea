-- Run by an administrator in each service's database, as often as one likes; the role that the service runs as has the
-- database's name. The database belongs to a role that nobody can log in as. So whoever runs as the service can make and
-- change tables of its own, and can't drop the schema or the database, or touch what the owner keeps.
DO $$
DECLARE
    service name := current_database();
    owner name := current_database() || '_owner';
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = owner) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', owner);
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT %I, %I TO CURRENT_USER', owner, service);
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO %I', service, owner);
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', service);
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', service, service);
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA public TO %I', service);
END
$$;

-- Gives a table to the owner of the database, whom nobody can log in as. Whoever had it may read it and add to it from
-- then on: not change, delete or empty it, drop it, or switch its triggers off. Only for a plain table of the caller's own:
-- nothing on it may run with its owner's rights, for that would be a way to what else this owner keeps.
CREATE OR REPLACE FUNCTION public.make_append_only(kept regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner name := (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database());
    writer name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = kept AND relkind IN ('r', 'p'));
    used regprocedure;
BEGIN
    IF writer = owner THEN
        RETURN;
    END IF;
    IF writer IS NULL OR NOT pg_has_role(session_user, writer, 'MEMBER') THEN
        RAISE EXCEPTION 'only a table of one''s own can be given away' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT FROM pg_trigger JOIN pg_proc AS routine ON routine.oid = tgfoid
               WHERE tgrelid = kept AND NOT tgisinternal AND (routine.prosecdef OR routine.proconfig IS NOT NULL))
        OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = kept)
        OR EXISTS (SELECT FROM pg_policy WHERE polrelid = kept)
        OR EXISTS (SELECT FROM pg_index WHERE indrelid = kept AND (indexprs IS NOT NULL OR indpred IS NOT NULL))
        OR EXISTS (SELECT FROM pg_statistic_ext WHERE stxrelid = kept AND stxexprs IS NOT NULL)
        OR EXISTS (SELECT FROM pg_inherits WHERE kept IN (inhrelid, inhparent))
    THEN
        RAISE EXCEPTION 'only a table without rules, policies, partitions, indexes on expressions and triggers that run as '
            'their owner can be given away' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR used IN
        SELECT DISTINCT routine.oid::regprocedure FROM pg_trigger JOIN pg_proc AS routine ON routine.oid = tgfoid
        WHERE tgrelid = kept AND NOT tgisinternal AND pg_get_userbyid(routine.proowner) = writer
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', used, owner);
    END LOOP;
    EXECUTE format('REVOKE ALL ON TABLE %s FROM PUBLIC', kept);
    EXECUTE format('ALTER TABLE %s OWNER TO %I', kept, owner);
    EXECUTE format('REVOKE ALL ON TABLE %s FROM %I', kept, writer);
    EXECUTE format('GRANT SELECT, INSERT ON TABLE %s TO %I', kept, writer);
END
$$;

-- Puts another name under leaves of the ledger that stand under a person's id: once, for a name that no leaf has yet. It runs
-- as the owner of the ledger, who is no administrator, and takes nothing but texts. The leaves themselves stay as they are.
CREATE OR REPLACE FUNCTION public.name_principals(candidates text[], principals text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    ALTER TABLE public.ledger DISABLE TRIGGER ledger_only_grows;
    UPDATE public.ledger SET candidate = named.principal
    FROM unnest(candidates, principals) AS named (candidate, principal)
    WHERE ledger.candidate = named.candidate AND named.principal LIKE 'person\_%' AND ledger.candidate NOT LIKE 'person\_%';
    ALTER TABLE public.ledger ENABLE TRIGGER ledger_only_grows;
END
$$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION public.name_principals(text[], text[]) OWNER TO %I', current_database() || '_owner');
    REVOKE ALL ON FUNCTION public.name_principals(text[], text[]) FROM PUBLIC;
    EXECUTE format('GRANT EXECUTE ON FUNCTION public.name_principals(text[], text[]) TO %I', current_database());
END
$$;

-- A ledger that was made, or restored, before there was an owner apart.
DO $$
BEGIN
    IF to_regclass('public.ledger') IS NOT NULL THEN
        PERFORM public.make_append_only('public.ledger');
    END IF;
END
$$;
