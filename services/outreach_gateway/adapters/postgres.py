"""The gateway's rows in PostgreSQL."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from services.outreach_gateway.adapters.decided import written
from services.outreach_gateway.adapters.kept import PEOPLE, SQL
from services.outreach_gateway.adapters.metrics import DECISIONS
from services.outreach_gateway.adapters.values import outreach_of, person_of, row_of, state_after
from services.outreach_gateway.answers import WENT_OUT, course_of, told_at
from services.outreach_gateway.decisions import ENDED_KEPT, KEPT
from services.outreach_gateway.model import (
    Change,
    Consent,
    Hold,
    Memberships,
    Outreach,
    Person,
    Policy,
    State,
)
from services.outreach_gateway.ports.outreach import DUE, TELLINGS, Freed, Reported, Settled
from services.outreach_gateway.ports.windows import Epoch
from shared.contracts.base import rfc3339
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.signup import ErasureSweptV1
from shared.feed.model import Telling
from shared.feed.ports import FeedWriter
from shared.ids import is_candidate_id
from shared.messaging.unit import Unit
from shared.postgres.columns import joined
from shared.ticks import Ticks

_ERASURES = 0x0FA1_6A7E
_STATE_AFTER = {
    "delivered": State.DELIVERED,
    "bounced": State.BOUNCED,
    "doubtful": State.DOUBTFUL,
    "returned": State.SUBMITTED,
}


class PostgresOutreach:
    """The `Store` inside one unit of work; `feed` is the operator's, `ticks` say when employers are told."""

    def __init__(self, unit: Unit, policy: Policy, feed: Callable[[Unit], FeedWriter], ticks: Ticks) -> None:
        self._unit = unit
        self._feed = feed(unit)
        self._sql = unit.connection
        self._policy = policy
        self._ticks = ticks
        self._locked: set[str] = set()
        self._rows: dict[str, Outreach] = {}
        """Locked and not changed since: what reads them again need not make them again."""

    @property
    def at(self) -> datetime:
        """The unit's time."""
        return self._unit.at

    async def hold_epochs(self, shards: Sequence[int]) -> Mapping[int, Epoch]:
        """The present epochs, shared-locked."""
        rows = await self._sql.fetch(SQL["hold_epochs"], list(shards))
        return {row["shard"]: Epoch(row["name"]) for row in rows if row["name"] is not None}

    async def lock_people(self, candidates: Sequence[str]) -> None:
        """Their consents, locked; of whom there is none has no queue."""
        known = sorted({candidate for candidate in candidates if is_candidate_id(candidate)})
        self._locked.update(row["candidate"] for row in await self._sql.fetch(SQL["lock_people"], joined(known)))

    async def places(self, candidates: Sequence[str]) -> list[Outreach]:
        """Their slots of the last 100 days, and what waits."""
        rows = await self._sql.fetch(SQL["places"], joined(sorted(set(candidates))), self.at - KEPT)
        return [self._rows.get(row["id"]) or outreach_of(row) for row in rows]

    async def earlier(self, pairs: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Sequence[Outreach]]:
        """By candidate and employer."""
        found: defaultdict[tuple[str, str], list[Outreach]] = defaultdict(list)
        candidates, employers = joined([one for one, _ in pairs]), joined([one for _, one in pairs])
        since = self.at - ENDED_KEPT
        asked = (SQL["earlier_to_people"], candidates, employers, since, joined(self._rows))
        for one in map(outreach_of, await self._sql.fetch(*asked)):
            found[one.candidate, one.employer].append(one)
        in_hand: defaultdict[tuple[str, str], list[Outreach]] = defaultdict(list)
        for one in self._rows.values():
            in_hand[one.candidate, one.employer].append(one)
        for pair in in_hand.keys() & pairs:
            if len(in_hand[pair]) > 1 or pair in found:  # one that is alone has nothing before it
                found[pair] += [one for one in in_hand[pair] if one.submitted_at > since]
        return found

    async def lock_live(self, ids: Sequence[str]) -> list[Outreach]:
        """Submitted rows among them."""
        rows = [outreach_of(row) for row in await self._sql.fetch(SQL["lock_live"], joined(ids))]
        self._rows = {row.id: row for row in rows}
        return rows

    async def take_due(self, candidates: Sequence[str], limit: int) -> list[Outreach]:
        """People first, as everybody locks them; rows then."""
        self._locked.update(
            row["candidate"] for row in await self._sql.fetch(SQL["lock_free_people"], list(candidates))
        )
        rows = await self._sql.fetch(SQL["take_due"], self.at, limit, list(candidates), sorted(self._locked))
        return [outreach_of(row) for row in rows]

    async def next_due(self, candidates: Sequence[str]) -> Mapping[str, datetime]:
        """By candidate."""
        rows = await self._sql.fetch(SQL["next_due"], list(candidates))
        return {row["candidate"]: row["at"] for row in rows}

    async def missed_due(self, limit: int) -> list[str]:
        """Candidates without a row of work; one of several rows stands here several times."""
        return [row["candidate"] for row in await self._sql.fetch(SQL["missed_due"], self.at, limit)]

    def decide_for(self, candidates: Sequence[str], at: datetime) -> None:
        """Scheduled."""
        self._unit.work.add(DUE, candidates, at=at)

    def decide_no_more(self, candidates: Sequence[str]) -> None:
        """Cancelled."""
        self._unit.work.cancel(DUE, candidates)

    def _decide_for(self, outreach: Outreach, at: datetime) -> None:
        self._unit.work.add(DUE, [outreach.candidate], at=at, flow=outreach.employer)

    async def lock_waiting_of(self, candidates: Sequence[str]) -> list[Outreach]:
        """Submitted and delayed rows of these people."""
        return [outreach_of(row) for row in await self._sql.fetch(SQL["lock_waiting_of"], list(candidates))]

    async def take_waiting_of_senders(self, employers: Sequence[str], limit: int) -> list[Outreach]:
        """Submitted and delayed rows of these senders."""
        asked = (list(employers), limit)
        # People first, as everybody locks them; rows then.
        self._locked.update(row["candidate"] for row in await self._sql.fetch(SQL["lock_people_waited_for_by"], *asked))
        unknown = sorted({row["candidate"] for row in await self._sql.fetch(SQL["strangers_waited_for_by"], *asked)})
        if not self._locked and not unknown:
            return []
        rows = await self._sql.fetch(SQL["take_waiting_of_senders"], *asked, sorted(self._locked), unknown)
        return [outreach_of(row) for row in rows]

    async def people(self, candidates: Sequence[str]) -> Mapping[str, Person]:
        """Consent, employers and mailbox by candidate."""
        if not candidates:
            return {}
        rows = await self._sql.fetch(SQL["people"], joined(sorted(set(candidates))))
        locked = self._locked
        return {row[0]: person_of(row, is_locked=row[0] in locked) for row in rows}

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Rows, feed and events together."""
        self._rows = {}
        self._unit.when_committed(lambda: _count(settled))
        holds = [item for item in settled if isinstance(item.decision, Hold)]
        rest = [item for item in settled if not isinstance(item.decision, Hold)]
        if holds:
            await self._sql.execute(
                SQL["hold"],
                [item.outreach.id for item in holds],
                [item.decision.until for item in holds if isinstance(item.decision, Hold)],
            )
        for item in holds:
            if isinstance(item.decision, Hold):
                self._decide_for(item.outreach, item.decision.until)
        if not rest:
            return
        columns = [state_after(item.decision) for item in rest]
        rows = await self._sql.fetch(
            SQL["settle"],
            joined([item.outreach.id for item in rest]),
            joined([state.value for state, *_ in columns]),
            joined([str(item.outreach.version + 1) for item in rest]),
            [slot for _, _, slot, _ in columns],
            [due for _, _, _, due in columns],
            joined([item.rule or "" for item in rest]),
            self._policy.version,
            self.at,
            joined([word for _, word, _, _ in columns]),
        )
        for item, (*_, due) in zip(rest, columns, strict=True):
            if due is not None:
                self._decide_for(item.outreach, due)
        await self._note([(item.outreach, state, item.rule) for item, (state, *_) in zip(rest, columns, strict=True)])
        sealed = {row["id"]: (row["sealed"], row["sealed_job"]) for row in rows}
        at = rfc3339(self.at)
        self._unit.publish_written(
            OutreachDecidedV1,
            [
                (
                    f"{item.outreach.id}.{item.outreach.version + 1}",
                    item.outreach.candidate,
                    written(item, self._policy, at, *sealed[item.outreach.id]),
                )
                for item in rest
            ],
        )

    async def hold_erasures(self) -> None:
        """A shared lock; a statement of its own, so that the next ones see who was erased before it was given."""
        await self._sql.execute(SQL["hold_erasures"], _ERASURES)

    async def begin_erasure(self) -> None:
        """The same lock, alone."""
        await self._sql.execute(SQL["begin_erasure"], _ERASURES)

    async def erased_unheard(self, limit: int) -> list[str]:
        """`read_back` is a table of this session while the topic is held against the rows."""
        return [row["candidate"] for row in await self._sql.fetch(SQL["erased_unheard"], limit)]

    async def erase(self, candidates: Sequence[str]) -> None:
        """By the declared erasers, and the ids are kept; a key of the topic that is no id names nobody."""
        known = sorted({candidate for candidate in candidates if is_candidate_id(candidate)})
        await self._sql.execute(SQL["note_erased"], known)
        await PEOPLE.erase(self._sql, known)
        self._unit.publish(
            *(
                ErasureSweptV1(candidate=one, service="outreach_gateway", at=self.at, stores=PEOPLE.swept)
                for one in known
            )
        )

    async def keep_consents(self, consents: Sequence[Consent]) -> Collection[str]:
        """Newest of each person wins."""
        newest = {consent.candidate: consent for consent in sorted(consents, key=lambda consent: consent.version)}
        rows = await self._sql.fetch(SQL["keep_consents"], json.dumps([row_of(item) for item in newest.values()]))
        self._locked.update(newest)
        return [row["candidate"] for row in rows]

    async def keep_memberships(self, memberships: Mapping[str, tuple[int, Memberships]]) -> None:
        """Pools by candidate."""
        rows = [
            {
                "candidate": candidate,
                "version": version,
                "employers": sorted(kept.employers),
                "pools": None if kept.pools is None else sorted(kept.pools),
                "generation": kept.generation,
                "seats": sorted(" ".join(seat) for seat in kept.seats),
            }
            for candidate, (version, kept) in memberships.items()
        ]
        await self._sql.execute(SQL["keep_memberships"], json.dumps(rows))

    async def keep_mailboxes(self, mailboxes: Mapping[str, tuple[int, bool]]) -> None:
        """Whether mail arrives, by candidate."""
        await self._sql.execute(
            SQL["keep_mailboxes"],
            list(mailboxes),
            [version for version, _ in mailboxes.values()],
            [reachable for _, reachable in mailboxes.values()],
        )

    async def keep_keys(self, keys: Mapping[str, tuple[int, str]]) -> None:
        """Public keys by candidate."""
        await self._sql.execute(
            SQL["keep_keys"], list(keys), [version for version, _ in keys.values()], [key for _, key in keys.values()]
        )

    async def forget_keys(self, candidates: Sequence[str]) -> None:
        """Their public keys go, and what is known of their mailboxes; a key of the topic that is no id names nobody."""
        known = [candidate for candidate in candidates if is_candidate_id(candidate)]
        await self._sql.execute(SQL["forget_keys"], known)
        await self._sql.execute(SQL["forget_mailboxes"], known)

    async def look_again(self, candidates: Sequence[str]) -> None:
        """What is held for them is due now."""
        rows = await self._sql.fetch(SQL["look_again"], list(candidates), self.at)
        self.decide_for([row["candidate"] for row in rows], self.at)

    async def plan_again(self, candidates: Sequence[str]) -> None:
        """What waits for them is due now."""
        if candidates:
            rows = await self._sql.fetch(SQL["plan_again"], list(candidates), self.at)
            self.decide_for([row["candidate"] for row in rows], self.at)

    async def wish(self, wishes: Mapping[str, tuple[str, datetime]]) -> Collection[str]:
        """One statement."""
        people, moments = [one for one, _ in wishes.values()], [at for _, at in wishes.values()]
        rows = await self._sql.fetch(SQL["wish"], list(wishes), people, moments)
        return {row["candidate"] for row in rows}

    async def report(self, reports: Sequence[Reported]) -> Freed:
        """Final outcomes; the withheld and the bounced come back."""
        by_id = {report.outreach: report for report in reports}
        rows = [
            outreach_of(row)
            for row in await self._sql.fetch(
                SQL["lock_reported"], list(by_id), [report.decision_version for report in by_id.values()]
            )
        ]
        closed = [row for row in rows if by_id[row.id].outcome in _STATE_AFTER]
        if closed:
            states = [_STATE_AFTER[by_id[row.id].outcome] for row in closed]
            for row, state in zip(closed, states, strict=True):
                if state is State.SUBMITTED:
                    self._decide_for(row, self.at)
            sent_at = [
                min(by_id[row.id].at, self.at) if state in WENT_OUT else None
                for row, state in zip(closed, states, strict=True)
            ]
            tell_at = [self._tells(row, state, at) for row, state, at in zip(closed, states, sent_at, strict=True)]
            await self._sql.execute(
                SQL["write_outcomes"],
                [row.id for row in closed],
                [state.value for state in states],
                [by_id[row.id].detail for row in closed],
                self.at,
                [by_id[row.id].rule for row in closed],
                tell_at,
                sent_at,
            )
            await self._note([(row, state, by_id[row.id].rule) for row, state in zip(closed, states, strict=True)])
        return Freed(
            withheld=[row for row in rows if by_id[row.id].outcome not in _STATE_AFTER],
            bounced=[row for row in closed if by_id[row.id].outcome == "bounced"],
        )

    def _tells(self, row: Outreach, state: State, sent_at: datetime | None) -> datetime | None:
        """When its employer is told that it was sent; None: what it waits to be told stays as it is."""
        if sent_at is None:
            return None
        course = replace(course_of(row), state=state, sent_at=sent_at, heard_at=self.at)
        at = told_at(course, self._ticks, row.employer)
        if at is not None:
            self._unit.work.add(TELLINGS, [row.employer], at=at, flow=row.employer)
        return at

    async def _note(self, changes: Sequence[tuple[Outreach, State, str | None]]) -> None:
        await self._feed.write(
            [Telling(row.employer, Change(row.id, state, rule, self.at).told()) for row, state, rule in changes]
        )


def _count(settled: Sequence[Settled]) -> None:
    for (decision, rule), number in Counter((type(item.decision), item.rule) for item in settled).items():
        DECISIONS.labels(decision.__name__.lower(), rule or "none").inc(number)
