-- Its rows were carried over into shared/feed's, and nobody writes to it any more.
DROP TABLE changes, changes_forgotten;
DROP FUNCTION tell_change();
