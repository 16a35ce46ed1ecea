-- What a change switched on, and whether an employer was blocked since the person had named it.
ALTER TABLE changes_to_tell
    ADD COLUMN switched_on text[] NOT NULL DEFAULT '{}',
    ADD COLUMN by_name boolean NOT NULL DEFAULT false;

-- Who told of somebody first, for the page on which they answer; forgotten with the person.
CREATE TABLE introductions (
    candidate text PRIMARY KEY,
    teller text NOT NULL, -- the employer, or the vendor where none is named
    at timestamptz NOT NULL
);
