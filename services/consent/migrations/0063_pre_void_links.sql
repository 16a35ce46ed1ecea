-- From when links of a person count, as signup told it, until the last one of before would have ended by itself.
CREATE TABLE void_links (
    candidate text PRIMARY KEY,
    before timestamptz NOT NULL,
    until timestamptz NOT NULL
);
CREATE INDEX void_links_by_end ON void_links (until);
