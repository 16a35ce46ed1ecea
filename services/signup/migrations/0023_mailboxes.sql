-- Mail to this person can't be delivered any more since then: the relay said for good that there is no such mailbox. Null: nothing of the kind.
ALTER TABLE candidates ADD COLUMN mailbox_gone_at timestamptz;
-- Rises with each change of that, so that who hears of it can tell older from newer.
ALTER TABLE candidates ADD COLUMN mailbox_version bigint NOT NULL DEFAULT 0;
