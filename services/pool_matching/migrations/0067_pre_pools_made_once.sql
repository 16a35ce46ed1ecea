-- By which Idempotency-Key of its employer a pool was made, and of which body: digests of both. It goes with the pool's row, which stays.
CREATE TABLE pools_made (
    employer text NOT NULL,
    key_digest bytea NOT NULL,
    body_digest bytea NOT NULL,
    pool text COLLATE "C" NOT NULL REFERENCES pools ON DELETE CASCADE,
    PRIMARY KEY (employer, key_digest)
);
