-- Half of what a membership cost to write was the look whether its person is there: whoever writes it holds that row, and none is ever
-- deleted (an erasure empties it).
ALTER TABLE memberships DROP CONSTRAINT memberships_candidate_fkey;
