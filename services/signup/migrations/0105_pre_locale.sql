-- In which language a person reads: "en" or "es"; null, where they never said. Their emails are in it.
ALTER TABLE candidates ADD COLUMN locale text CHECK (locale IN ('en', 'es'));
