-- What the releases before listed is noted now; from here on the table takes no row of somebody that shows more than was noted.
INSERT INTO disclosures (candidate, employer, pool, at, fields, member_since, memberships)
SELECT listed.candidate, memberships.employer, pool, greatest(listed.since, memberships.since), ARRAY(
        SELECT key FROM jsonb_each(listed.shown) WHERE value NOT IN ('null', '[]') ORDER BY key
    ), memberships.since, persons.version
FROM listed JOIN memberships USING (pool, candidate) JOIN persons USING (candidate)
WHERE noted IS NULL OR NOT noted @> listed.shown;
UPDATE listed SET noted = shown WHERE noted IS NULL AND shown IS NOT NULL OR NOT noted @> shown OR candidate IS NULL AND noted IS NOT NULL;
ALTER TABLE listed ADD CONSTRAINT nothing_is_shown_unnoted CHECK (candidate IS NULL OR noted IS NOT NULL AND noted @> shown) NOT VALID;
