-- The tenant that told of the person, or the join page, for the first mail to say so; null when it is not known.
ALTER TABLE courier_mails ADD COLUMN introduced_by text;
