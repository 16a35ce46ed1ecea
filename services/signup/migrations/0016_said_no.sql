-- When a mailbox first said no to an invitation, in either way: since then the join page has it written to once in 90 days at
-- most, whoever fills it in.
ALTER TABLE invitations ADD COLUMN said_no_at timestamptz;
UPDATE invitations SET said_no_at = refused_at;
