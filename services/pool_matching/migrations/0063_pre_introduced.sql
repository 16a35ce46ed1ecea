-- How many people an employer was told at its last tick that it introduced: a number is made once a tick, so that a second question
-- within the day tells nothing more.
CREATE TABLE introduced_told (
    employer text PRIMARY KEY,
    tick timestamptz NOT NULL,
    people integer NOT NULL CHECK (people >= 0)
);
