-- Everything of the schema `public` that a statement can tell from another schema, a line each; nothing depends on the order in
-- which things were made.
SELECT format('column %s.%s %s%s%s%s%s', relname, attname, format_type(atttypid, atttypmod),
        CASE WHEN attnotnull THEN ' not null' ELSE '' END,
        coalesce(' default ' || pg_get_expr(adbin, adrelid), ''),
        ' identity:' || attidentity::text || ' generated:' || attgenerated::text, ' collation:' || attcollation::regcollation::text)
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p', 'v', 'm', 'c')
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT format('relation %s %s %s owner:%s rights:%s options:%s', relkind, relpersistence, relname,
        pg_get_userbyid(relowner) = current_user, regexp_replace(relacl::text, current_user, 'me', 'g'), reloptions)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 't'
UNION ALL
SELECT format('constraint %s.%s %s valid:%s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT format('index %s valid:%s', pg_get_indexdef(indexrelid), indisvalid)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT format('view %s %s', relname, pg_get_viewdef(oid))
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
UNION ALL
SELECT format('trigger %s enabled:%s', pg_get_triggerdef(pg_trigger.oid), tgenabled)
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal
UNION ALL
SELECT format('routine %s', pg_get_functiondef(oid))
FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind <> 'a'
UNION ALL
SELECT format('type %s %s %s', typname, typtype, enumlabel)
FROM pg_type LEFT JOIN pg_enum ON enumtypid = pg_type.oid
WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd', 'r')
UNION ALL
SELECT format('sequence %s %s from %s by %s', sequencename, data_type, start_value, increment_by)
FROM pg_sequences WHERE schemaname = 'public'
UNION ALL
SELECT format('partition %s of %s %s', inhrelid::regclass, inhparent::regclass, pg_get_expr(relpartbound, pg_class.oid))
FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE relnamespace = 'public'::regnamespace
ORDER BY 1
