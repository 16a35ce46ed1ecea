-- More than half of what a membership cost to write: the look whether its person is there, though whoever writes it holds that row, and
-- none is ever deleted (an erasure empties it); and an index by ref, which nobody asks since lists have a table of their own. That no two
-- members of a pool have one ref is how refs are made.
ALTER TABLE memberships DROP CONSTRAINT memberships_candidate_fkey;
DROP INDEX memberships_as_listed;
