-- Its rows were carried over into shared/feed's, and nobody writes to it any more.
DROP TRIGGER tell_published_update ON outbox;
DROP TABLE feed, feed_forgotten, feed_told_before;
DROP FUNCTION tell_update(), tell_published_update();
