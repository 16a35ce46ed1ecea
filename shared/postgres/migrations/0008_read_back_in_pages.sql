-- A read-back goes on where it was, in whichever process has the lease; a topic whose turn failed is tried again later.
ALTER TABLE read_backs
    ADD COLUMN leased_by text,
    ADD COLUMN leased_until timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN retry_at timestamptz NOT NULL DEFAULT '-infinity';

-- Unlogged, both: after a crash of PostgreSQL they are empty together, and the pass begins anew.
CREATE UNLOGGED TABLE read_back_passes (
    topic text PRIMARY KEY,
    began_at timestamptz NOT NULL DEFAULT now(),
    phase text NOT NULL DEFAULT 'reading' CHECK (phase IN ('reading', 'rows', 'keys')),
    positions bigint[] NOT NULL DEFAULT '{}',  -- of the topic's partitions, the offsets to read from
    after text NOT NULL DEFAULT '',            -- of the rows, the last key that was looked at
    republished bigint NOT NULL DEFAULT 0
);
CREATE UNLOGGED TABLE read_back_seen (
    topic text NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (topic, key)
);
