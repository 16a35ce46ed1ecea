-- An operator who looks somebody up, and an erasure, ask by person.
CREATE INDEX courier_mails_by_candidate ON courier_mails (candidate);
