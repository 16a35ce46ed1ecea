"""Records of Kafka: how they leave a service with its transaction, and how they come into one.

**They leave** by the outbox. `unit` is a transaction and the events that leave with it; `handed` keeps what was written for the relay
of the same process; `turns` says which shards `relay` looks at next; `batches` and `producer` send what it found; `published` tells
whoever waits that Kafka has it. `signatures` says who says a record, `envelope` how it is written.

**They come in** to groups by `consumer`: batches, worked at in `lanes`, acknowledged after the commit, with `dead_letters` for what
fails. A `follower` reads every partition, for a projection; `passes` hold a compacted topic against rows, for `reconciler`; `reading`
goes from a beginning to an end. `ends` asks once for all readers of a process how far partitions go, by `asking`; `fetches` says how
long a broker may hold a fetch.

**On aiokafka's insides**, for which its version is pinned, stand `internals`, `fetches`, `asking` and `same_bytes`. Whoever raises
the version reads these first.

Around both: `kafka` (where it is), `topics`, `errors`, `holding`, `progress`, `stopping`, `watchdog`, `refusal`, `asyncapi`, `restored`.
"""
