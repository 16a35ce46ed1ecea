-- Of somebody whose profile changes half of the ten memberships show something else, and their rows are on one page: with a fifth of it
-- free a third of them moved to another, and were written into every index. It takes no more space once they have changed. Of pages that
-- are filled from now on.
ALTER TABLE memberships SET (fillfactor = 60);
