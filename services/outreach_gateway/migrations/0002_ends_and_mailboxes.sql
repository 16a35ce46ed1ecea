-- The last day of the offer: a message ends with it. The words that say so are sealed.
ALTER TABLE outreach ADD COLUMN valid_through date;

-- Whether anything reaches a person, as signup says it. Goes with the person's key.
CREATE TABLE mailboxes (
    candidate uuid PRIMARY KEY,
    version integer NOT NULL,
    reachable boolean NOT NULL
);

-- The last change of each employer's feed that was forgotten: who asks for what came before it is told so.
CREATE TABLE changes_forgotten (
    employer text PRIMARY KEY,
    xid xid8 NOT NULL,
    id bigint NOT NULL
);
CREATE INDEX changes_by_age ON changes (at);
