-- When an owner last read a compacted topic of its own back, and when an operator last asked for it.
CREATE TABLE read_backs (
    topic text PRIMARY KEY,
    began_at timestamptz NOT NULL DEFAULT '-infinity',
    asked_at timestamptz NOT NULL DEFAULT '-infinity'
);
