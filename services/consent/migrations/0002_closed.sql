-- Nobody is behind this id any more: the person lapsed without an answer, or was erased. No link of theirs opens anything, for good.
-- The row stays, so that whatever is heard later in the wrong order opens nothing either.
ALTER TABLE consents ADD COLUMN closed_at timestamptz;
