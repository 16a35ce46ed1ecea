-- Until when each employer has used up what it may change: one row an employer, overwritten by each change.
CREATE TABLE changes_used (
    employer text PRIMARY KEY,
    used_until timestamptz NOT NULL
);
