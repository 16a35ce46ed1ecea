-- Since when a stub lapses: of a no to the invitation, when it was said. What the person allows after that is a later word.
ALTER TABLE candidates ADD COLUMN lapsed_at timestamptz;
UPDATE candidates SET lapsed_at = lapse_asked_at WHERE lapse_reason IS NOT NULL;
ALTER TABLE candidates ADD CHECK ((lapse_reason IS NULL) = (lapsed_at IS NULL));
