-- Which text a person signed last, in which language, and which they were asked to sign since; until when they had said yes
-- before a newer text ended that earlier; and when they are next to be reminded that it ends.
ALTER TABLE consents
    ADD COLUMN agreement text COLLATE "C",
    ADD COLUMN language text,
    ADD COLUMN text_asked text COLLATE "C", -- the newest text that they signed or were asked to sign
    ADD COLUMN own_end timestamptz,
    ADD COLUMN remind_at timestamptz;

-- When a person was last asked whether they are hired and want something changed.
ALTER TABLE tellings ADD COLUMN hired_asked_at timestamptz;
