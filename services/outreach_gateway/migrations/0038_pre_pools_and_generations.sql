-- Which pools a person is in, and how often they have withdrawn; a process of the version before writes neither, so both are of
-- `pools_version` and count only while that is `version`.
ALTER TABLE memberships
    ADD COLUMN pools text[],
    ADD COLUMN generation bigint,
    ADD COLUMN pools_version integer;
-- What the ref said under which it was written; null of rows from before.
ALTER TABLE outreach
    ADD COLUMN pool_tag bytea,
    ADD COLUMN generation bigint;
