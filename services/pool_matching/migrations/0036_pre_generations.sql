-- How often a person has withdrawn from being matched: it is in their member refs, so that those of before name nobody any more.
ALTER TABLE persons ADD COLUMN generation bigint NOT NULL DEFAULT 0;
-- Of the ref; null: one of before, which knows no pool either, until `renew_refs` has made another.
ALTER TABLE memberships ADD COLUMN generation bigint;
