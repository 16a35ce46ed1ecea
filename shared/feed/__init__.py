"""One append-only feed a name: written in anybody's transaction, numbered without gaps by one sequencer, read by many.

A writer inserts rows without a number, in the transaction of what they tell of. The sequencer of the feed, one at a time in
all processes, gives what was committed the next numbers, in a transaction of its own. So a reader never sees n + 1 before n,
and waits for nobody's transaction but the sequencer's: what a long one writes comes when it commits. Numbers leave the house
sealed into cursors alone (`shared/security/cursors.py`), together with the generation of the feed, which is another one after
a restore.
"""
