-- The one place that ties a person to what the ledger calls them: an erasure empties it.
ALTER TABLE consents ALTER COLUMN principal DROP NOT NULL;
