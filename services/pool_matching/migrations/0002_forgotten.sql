-- The last update of each employer's feed that was forgotten: who asks for what came before it is told so.
CREATE TABLE feed_forgotten (
    employer text PRIMARY KEY,
    written_by xid8 NOT NULL,
    id bigint NOT NULL
);
