-- The job of a message that waits, sealed to its person: signup opens it for whoever is signed in.
ALTER TABLE messages ADD COLUMN sealed_job text;
