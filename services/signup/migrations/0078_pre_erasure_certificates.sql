-- Who erased themself, so that they can see what was done: an id that means nothing any more, for 100 days. Of what opens the
-- certificate only the SHA-256 is kept; whoever asks again, or twice at once, has several for the one erasure.
CREATE TABLE erasure_requests (
    candidate uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL,
    readable_until timestamptz NOT NULL
);
CREATE INDEX erasure_requests_by_end ON erasure_requests (readable_until);
CREATE TABLE certificates (
    id_hash bytea PRIMARY KEY,
    candidate uuid NOT NULL REFERENCES erasure_requests ON DELETE CASCADE
);
CREATE INDEX certificates_by_candidate ON certificates (candidate);
-- Which service swept what of them, and when.
CREATE TABLE erasure_sweeps (
    candidate uuid NOT NULL REFERENCES erasure_requests ON DELETE CASCADE,
    service text NOT NULL,
    swept_at timestamptz NOT NULL,
    stores jsonb NOT NULL,
    PRIMARY KEY (candidate, service)
);
