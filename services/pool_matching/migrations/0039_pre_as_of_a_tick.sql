-- Since when a person is as they are, and how they were before, for as long as a tick may be back: so that a new or changed pool
-- shows what its employer's last tick would have shown. Only of who may be found, and was then.
ALTER TABLE persons ADD COLUMN since timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00';
CREATE TABLE persons_before (
    candidate text COLLATE "C" NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    profile jsonb NOT NULL,
    consent jsonb NOT NULL,
    PRIMARY KEY (candidate, valid_until)
);
CREATE INDEX persons_before_by_age ON persons_before (valid_until);
-- Since when exactly the person belongs, which nobody is told; of rows from before, and of those that an older version writes: long since.
ALTER TABLE memberships ADD COLUMN fits_since timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00';
