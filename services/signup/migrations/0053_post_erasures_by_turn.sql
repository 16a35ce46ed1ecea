-- Nobody asks by `asked_at` any more.
DROP INDEX erasures_outstanding_by_ask;
