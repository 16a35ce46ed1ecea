-- What is to be done that is no record of Kafka: each row once, by whoever claims it. Explained in shared/runner.
CREATE TABLE work (
    queue text NOT NULL,
    key text NOT NULL,
    lane smallint NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    lease uuid,
    leased_until timestamptz,
    again_at timestamptz, -- it was scheduled anew while somebody had it in hand
    set_aside_at timestamptz,
    reason text,
    traceparent text,
    payload json,
    PRIMARY KEY (queue, key)
);
CREATE INDEX work_to_claim ON work (queue, lane, run_at) WHERE set_aside_at IS NULL;
CREATE INDEX work_set_aside ON work (queue, set_aside_at, key) WHERE set_aside_at IS NOT NULL;
ALTER TABLE work SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
