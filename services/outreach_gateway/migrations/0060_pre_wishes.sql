-- When a person asked last for this message to come next; the latest of what waits for them stands first in their queue.
ALTER TABLE outreach ADD COLUMN wished_at timestamptz;
