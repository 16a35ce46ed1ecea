-- The job of a message alone, sealed to its person like the words: they may look at what waits for them.
ALTER TABLE outreach ADD COLUMN sealed_job text;
