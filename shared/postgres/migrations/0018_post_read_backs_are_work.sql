-- Read-backs are rows of `work`: when a topic is read next, and how far a pass has come.
DROP TABLE read_backs, read_back_passes;
TRUNCATE read_back_seen;
