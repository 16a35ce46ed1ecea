-- A row that changes stays on its page, and its indexes stay as they are, where there is room: a person changes with each profile and
-- each list, a membership with what it shows. Of pages that are filled from now on.
ALTER TABLE persons SET (fillfactor = 70);
ALTER TABLE memberships SET (fillfactor = 80);
