-- Who refused an invitation by its link: so that the link says the same when it is opened again, and "never again" can still be
-- said after "this was not me", when the person is erased already. Of a person only an id that means nothing any more and the
-- slow hash that `invitations` holds anyway; forgotten when the link has expired, after 14 days at most.
CREATE TABLE refusals (
    candidate uuid PRIMARY KEY,
    slow_hash bytea NOT NULL,
    never_again boolean NOT NULL,
    until timestamptz NOT NULL
);
CREATE INDEX refusals_by_end ON refusals (until);
