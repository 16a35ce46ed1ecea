-- When its person asked last for it to come next.
ALTER TABLE messages ADD COLUMN wished_at timestamptz;
