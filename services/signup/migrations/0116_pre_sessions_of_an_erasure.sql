-- The names of the sessions that worked when somebody erased themself: whoever was signed out by then gets nothing of the certificate.
ALTER TABLE erasure_requests ADD COLUMN sessions text[] NOT NULL DEFAULT '{}';
-- By which session a certificate was asked for; empty: by a link, or by an operator. None uses up what another may ask for.
ALTER TABLE certificates ADD COLUMN asked_by text NOT NULL DEFAULT '';
