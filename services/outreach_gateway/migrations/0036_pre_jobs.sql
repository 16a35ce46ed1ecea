-- What employers write about: declared by them, or by a message that brought it along.
CREATE TABLE jobs (
    employer text NOT NULL,
    id text NOT NULL,
    version integer NOT NULL,
    body jsonb NOT NULL,
    valid_through date NOT NULL,
    PRIMARY KEY (employer, id)
);
CREATE INDEX jobs_open ON jobs (employer, valid_through);
CREATE INDEX jobs_by_end ON jobs (valid_through);
