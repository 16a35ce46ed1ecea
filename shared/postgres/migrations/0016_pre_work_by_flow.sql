-- Whose work it is, as a number: within a lane they take turns, so that one tenant's burst is not in front of another's work.
ALTER TABLE work ADD COLUMN flow integer NOT NULL DEFAULT 0;
