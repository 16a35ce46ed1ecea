-- What is taken first: 0, somebody waits for it in front of a screen; 1, other notices; 2, outreach.
ALTER TABLE courier_mails ADD COLUMN lane smallint NOT NULL DEFAULT 2;
UPDATE courier_mails SET lane = CASE WHEN purpose IN ('sign_in', 'stop_asked') OR introduced_by = 'fairpool-join' THEN 0 ELSE 1 END
WHERE state = 'ready' AND kind = 'notice';
DROP INDEX courier_mails_ready;
CREATE INDEX courier_mails_ready ON courier_mails (lane, not_before) WHERE state = 'ready';
