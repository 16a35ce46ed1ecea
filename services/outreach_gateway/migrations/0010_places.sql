-- The slots of a person's queue, which are read before each decision.
CREATE INDEX outreach_places ON outreach (candidate, slot_at) WHERE slot_at IS NOT NULL OR state = 'delayed';
