-- What is on was said by a link: signup's statement of that link, and when it was said; and when a purpose last went off, since
-- nothing goes on again by a link from before that.
ALTER TABLE consents ADD COLUMN statement jsonb, ADD COLUMN said_at timestamptz, ADD COLUMN stopped_at timestamptz;
