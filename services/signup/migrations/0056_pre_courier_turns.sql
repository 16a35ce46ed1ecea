-- Whose email it is, as a number: within a lane employers, and those who told of people, take turns.
ALTER TABLE courier_mails ADD COLUMN flow integer NOT NULL DEFAULT 0;
CREATE INDEX courier_mails_by_turns ON courier_mails (lane, flow, not_before) WHERE state = 'ready';
