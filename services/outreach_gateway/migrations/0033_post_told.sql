-- The words that stand for what an employer was told.
ALTER TABLE outreach ADD CONSTRAINT outreach_told CHECK (told IN ('waiting', 'sent', 'not_sent', 'cancelled')) NOT VALID;
