"""Changes of emails in memory: people and their mailboxes, and what each is told."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from services.signup.adapters.page_requests import CODES_TOLD_A_DAY
from services.signup.decisions import email_changes as decisions
from services.signup.decisions.recovery_codes import new_code, read_code
from services.signup.model.email_changes import (
    ANSWERED_WITHIN,
    Act,
    Asked,
    Begun,
    CannotPutBack,
    Changed,
    Changes,
    Ends,
    Noted,
    Nothing,
    Outcome,
    PutsBack,
    Recovering,
    Seen,
    Standing,
    Stops,
    Waiting,
)
from services.signup.vault.addresses import mailbox
from shared.contracts.signup import AboutEmail
from shared.ids import new_id
from tests.fakes.clock import NOON

_A_DAY = 8


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    standing: Standing
    new: str
    old: str
    old_since: datetime


@dataclass
class FakeEmailChanges:
    """`ports.EmailChanges`."""

    at: datetime = NOON
    emails: dict[str, str] = field(default_factory=dict)
    """By candidate: as they are now."""
    stubs: dict[str, str] = field(default_factory=dict)
    """By candidate: the mailbox of whoever was told of and has not answered."""
    lapsed: list[str] = field(default_factory=list)
    since: dict[str, datetime] = field(default_factory=dict)
    rows: dict[str, _Row] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    """Empty where it is spent."""
    links_from: dict[str, datetime] = field(default_factory=dict)
    told: list[tuple[str, AboutEmail]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """Mailboxes that no vendor's word registers any more."""
    sessions_ended: list[str] = field(default_factory=list)
    _sent: dict[str, int] = field(default_factory=dict)

    def owners(self, mail: str) -> set[str]:
        """Whose it is, or was less than 72 hours ago."""
        box = mailbox(mail)
        former = {
            who for who, row in self.rows.items() if isinstance(row.standing, Changed) and mailbox(row.old) == box
        }
        return {who for who, own in self.emails.items() if mailbox(own) == box} | former

    def told_of(self, candidate: str, mail: str) -> bool:
        """By a vendor, or by anybody at the page to join: a stub, unless somebody has the mailbox."""
        is_new = not self.owners(mail) and mailbox(mail) not in map(mailbox, self.stubs.values())
        if is_new:
            self.stubs[candidate] = mail
        return is_new

    def closed(self, stub: str) -> bool:
        """Consent has said that nobody answered: whoever lapses is erased."""
        is_over = stub in self.lapsed and stub not in self.emails
        if is_over:
            self.stubs.pop(stub, None)
        return is_over

    def answers(self, stub: str) -> None:
        """Signup hears of an answer: whoever was told of is a person, whatever they were asked to be before."""
        self.emails[stub] = self.stubs.pop(stub)

    async def seen(self, candidate: str) -> Seen | None:
        if candidate not in self.emails:
            return None
        row = self.rows.get(candidate)
        return Seen(
            self.emails[candidate],
            row.new if row else None,
            row.standing if row else None,
            bool(self.codes.get(candidate)),
        )

    async def standing(self, candidate: str, change: str) -> Standing | None:
        row = self.rows.get(candidate)
        return row.standing if row is not None and row.id == change else None

    async def ask(self, candidate: str, new: str, origin: bytes) -> Begun:
        if candidate not in self.emails:
            return "gone"
        row = self.rows.get(candidate)
        if not decisions.may_begin(row.standing if row else None):
            return "busy"
        if decisions.is_same(self.emails[candidate], new):
            return "same"
        if not self._may_write_to(self.emails[candidate]):
            return "too_many"
        self._begin(candidate, new, Asked(self.at + ANSWERED_WITHIN))
        self.told.append((candidate, "old"))
        self._write_to_new(candidate, new)
        return "begun"

    async def recover(self, old: str, code: str, new: str, origin: bytes) -> None:
        box = mailbox(old)
        who = next((who for who, own in self.emails.items() if mailbox(own) == box), None)
        if who is None or read_code(code) is None or self.codes.get(who) != read_code(code):
            return
        row = self.rows.get(who)
        if decisions.may_recover(row.standing if row else None):
            self._begin(who, new, Recovering(self.at + ANSWERED_WITHIN))
            self._write_to_new(who, new)

    async def answer(self, candidate: str, change: str | None, act: Act, issued_at: datetime | None) -> Outcome:
        row = self.rows.get(candidate)
        if row is None:
            return Nothing("over")
        is_same = change is None or row.id == change
        if not decisions.concerns(is_same=is_same, act=act, issued_at=issued_at, old_since=row.old_since):
            return Nothing("over")
        return self._apply(candidate, row, decisions.answered(row.standing, act, at=self.at))

    async def settle(self, limit: int) -> bool:
        due = sorted((row.standing.until, who) for who, row in self.rows.items() if row.standing.until <= self.at)
        for _, who in due[:limit]:
            self._apply(who, self.rows[who], decisions.due(self.rows[who].standing, at=self.at))
        return len(due[:limit]) == limit

    async def make_code(self, candidate: str, *, first_alone: bool, issued_at: datetime | None = None) -> str | None:
        since = self.links_from.get(candidate)
        is_void = since is not None and (issued_at is None or issued_at < since)
        if candidate not in self.emails or (first_alone and (is_void or candidate in self.codes)):
            return None
        code = new_code()
        self.codes[candidate] = read_code(code) or ""
        if not first_alone and self.told.count((candidate, "code_made")) < CODES_TOLD_A_DAY:
            self.told.append((candidate, "code_made"))
        return code

    def erase(self, candidate: str) -> None:
        """Everything of them goes."""
        for kept in (self.emails, self.since, self.rows, self.codes, self.links_from):
            kept.pop(candidate, None)

    def _begin(self, candidate: str, new: str, standing: Asked | Recovering) -> None:
        since = self.since.get(candidate, NOON)
        self.rows[candidate] = _Row(new_id("e"), standing, new, self.emails[candidate], since)

    def _write_to_new(self, candidate: str, new: str) -> None:
        if not self._may_write_to(new):
            return
        if others := self.owners(new) - {candidate}:
            self.told.append((others.pop(), "taken"))
        else:
            self.told.append((candidate, "new"))

    def _may_write_to(self, mail: str) -> bool:
        box = mailbox(mail)
        self._sent[box] = self._sent.get(box, 0) + 1
        return self._sent[box] <= _A_DAY

    def _apply(self, who: str, row: _Row, outcome: Outcome) -> Outcome:
        match outcome:
            case Noted(standing):
                self.rows[who] = replace(row, standing=standing)
                if isinstance(standing, Waiting):
                    self.told.append((who, "recovering"))
            case Changes(standing):
                if others := self.owners(row.new) - {who}:
                    del self.rows[who]
                    if isinstance(row.standing, Waiting):
                        self.told += [(one, "not_moved") for one in (who, *others)]
                    elif isinstance(row.standing, Asked) and row.standing.is_agreed:
                        self.told += [(one, "taken") for one in others]
                    return Nothing("taken")
                if stubs := self._told_of(row.new):
                    self.lapsed += [one for one in stubs if one not in self.lapsed]
                    later = decisions.later(row.standing, at=self.at)
                    self.rows[who] = replace(row, standing=later)
                    return Noted(later)
                self._take(who, row.new)
                if standing is not None:
                    self.rows[who] = replace(row, standing=standing)
                    self._end_sessions(who)
                    self.told.append((who, "changed"))
                else:
                    self._over(who, row, gives_up=True)
                    self._spend(who)
                    self._end_sessions(who)
                    self.told.append((who, "done"))
            case Stops():
                del self.rows[who]
                self._spend(who)
                self._end_sessions(who)
            case PutsBack() | CannotPutBack():
                is_back = not self.owners(row.old) - {who}
                if is_back:
                    del self.rows[who]
                    self._take(who, row.old)
                self._spend(who)
                self._end_sessions(who)
                return outcome if is_back else CannotPutBack()
            case Ends(gives_up):
                self._over(who, row, gives_up=gives_up)
            case Nothing():
                pass
        return outcome

    def _take(self, who: str, mail: str) -> None:
        self.emails[who], self.since[who] = mail, self.at
        for stub in self._told_of(mail):  # a way back waits for nothing
            del self.stubs[stub]
            self.lapsed += [stub] if stub not in self.lapsed else []

    def _told_of(self, mail: str) -> list[str]:
        return [one for one, told in self.stubs.items() if mailbox(told) == mailbox(mail)]

    def _spend(self, who: str) -> None:
        if who in self.codes:
            self.codes[who] = ""

    def _end_sessions(self, who: str) -> None:
        self.sessions_ended.append(who)
        self.links_from[who] = self.at

    def _over(self, who: str, row: _Row, *, gives_up: bool) -> None:
        del self.rows[who]
        if gives_up and mailbox(row.old) != mailbox(row.new):
            self.refused.add(mailbox(row.old))
