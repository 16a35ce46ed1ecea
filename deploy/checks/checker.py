"""Recounts a history by brute force and names every broken promise; it knows no service and trusts none."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta

from deploy.checks import disclosures, employers
from deploy.checks.history import USED, ArrivedMail, History
from deploy.checks.policy import FIRST_POLICY, Cap, PolicyWindows
from deploy.checks.violation import Check, Violation
from shared.contracts.consent import ConsentChanged, QuietHours
from shared.contracts.topics import TOPICS

_DUE_IS_LATE_AFTER = timedelta(minutes=5)
_COMPACTED = frozenset(topic.name for topic in TOPICS if topic.clean_up == "compact")


def violations(history: History, windows: PolicyWindows = FIRST_POLICY) -> list[Violation]:
    """Every broken promise in the history; none means that all of `CHECKS` hold."""
    return [violation for check in CHECKS.values() for violation in check(history, windows)]


def caps_hold_for_what_arrived(history: History, windows: PolicyWindows) -> Iterator[Violation]:
    """Counts, for each person and each arrival, what arrived in the window that ends there."""
    for mails in history.arrivals.values():
        person = history.candidate_of.get(mails[0].outreach, mails[0].id)
        for cap in windows.network:
            yield from _over(cap, [mail.at for mail in mails], person)
        by_employer: dict[str, list[datetime]] = {}
        for mail in mails:
            by_employer.setdefault(history.employer_of.get(mail.outreach, "unknown"), []).append(mail.at)
        for employer, moments in by_employer.items():
            yield from _over(windows.employer, moments, f"{person} from {employer}")


def caps_halve_for_who_does_not_answer(history: History, windows: PolicyWindows) -> Iterator[Violation]:
    """After so many that lie unanswered for a week, a person gets half; not asked for where the policy never halves."""
    if windows.halve_after_unanswered == 0:
        return
    for mails in history.arrivals.values():
        moments = [mail.at for mail in mails]
        for end in moments:
            # A slot may be up to ten minutes before its arrival, so what only just became unanswered does not count yet.
            old = end - windows.unanswered_after - windows.slot_is_good_for
            if sum(1 for moment in moments if moment <= old) < windows.halve_after_unanswered:
                continue
            person = history.candidate_of.get(mails[0].outreach, mails[0].id)
            for cap in windows.network:
                half = Cap(f"{cap.name}, halved", max(1, cap.most // 2), cap.within)
                if (count := _count(moments, end, half.within)) > half.most:
                    yield Violation("caps", person, f"{half.name}: {count} until {end}")


def caps_hold_for_admitted_slots(history: History, windows: PolicyWindows) -> Iterator[Violation]:
    """The same count over the moments of the admissions that were used."""
    slots: dict[str, list[tuple[datetime, str]]] = {}
    for outreach, decisions in history.decisions_of.items():
        used = {item.decision_version for item in history.outcomes_of.get(outreach, ()) if item.outcome in USED}
        for decision in decisions:
            if decision.outcome == "admitted" and decision.version in used:
                slots.setdefault(decision.candidate, []).append((decision.at, decision.employer))
    for candidate, taken in slots.items():
        for cap in windows.network:
            yield from _over(cap, [at for at, _ in taken], candidate)
        for employer in {employer for _, employer in taken}:
            moments = [at for at, of in taken if of == employer]
            yield from _over(windows.employer, moments, f"{candidate} from {employer}")


def the_persons_own_limits_hold(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """What a person tightened holds for every arrival after the change."""
    for mails in history.arrivals.values():
        moments = [mail.at for mail in mails]
        for mail in mails:
            candidate = history.candidate_of.get(mail.outreach)
            state = history.consent_at(candidate, mail.at) if candidate else None
            for cap in _own_caps(state):
                if _count(moments, mail.at, cap.within) > cap.most:
                    yield Violation("the person's own limits", candidate or mail.id, f"{cap.name} at {mail.at}")


def mails_arrive_in_open_hours(history: History, windows: PolicyWindows) -> Iterator[Violation]:
    """8:00 to 21:00 and not in their quiet hours, wherever they may be; a slot may be used for ten minutes."""
    for mail in history.mails:
        candidate = history.candidate_of.get(mail.outreach, "")
        state = history.consent_at(candidate, mail.at)
        moments = (mail.at, mail.at - windows.slot_is_good_for)
        if not any(_is_open(moment, state, windows) for moment in moments):
            yield Violation("open hours", mail.outreach, f"a mail arrived at {mail.at}")


def nothing_is_sent_twice(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """No outreach is in two mails."""
    for outreach, mails in history.mails_of.items():
        if len(mails) > 1:
            yield Violation("nothing twice", outreach, f"{len(mails)} mails carry it")


def nothing_is_lost(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """Each accepted submission is a request, each request is decided, each admission has an outcome."""
    requested = {request.outreach: request.expires_at for request in history.requests}
    for outreach in sorted(history.submitted - requested.keys()):
        yield Violation("nothing lost", outreach, "it was accepted with 202 and is not on outreach-requests")
    for outreach in sorted(requested):
        decisions = history.decisions_of.get(outreach, ())
        if not decisions:
            yield Violation("nothing lost", outreach, "it was requested and never decided")
            continue
        last = decisions[-1]
        due_at = last.until or requested[outreach]  # without a slot it waits for one, at most until its own end
        if last.outcome == "delayed" and due_at + _DUE_IS_LATE_AFTER < history.now:
            yield Violation("nothing lost", outreach, f"it was due at {due_at} and nothing happened")
        if last.outcome == "admitted":
            yield from _admission_has_an_end(history, outreach, last.version)


def mails_and_outcomes_agree(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """A delivered outreach has exactly one mail, and no mail is there without an admission."""
    for outreach, outcomes in history.outcomes_of.items():
        count = len(history.mails_of.get(outreach, ()))
        kinds = {item.outcome for item in outcomes}
        if "delivered" in kinds and count == 0 and outreach in history.submitted:
            yield Violation("mails and outcomes agree", outreach, "it is delivered and no mail carries it")
        if not kinds & USED and count:
            yield Violation(
                "mails and outcomes agree", outreach, f"a mail carries it and it is {', '.join(sorted(kinds))}"
            )
    for outreach, mails in history.mails_of.items():
        admitted = [item.at for item in history.decisions_of.get(outreach, ()) if item.outcome == "admitted"]
        if not admitted or min(admitted) > mails[0].at:
            yield Violation("mails and outcomes agree", outreach, "a mail carries it that was not admitted before")


def every_mail_has_a_live_grant(history: History, windows: PolicyWindows) -> Iterator[Violation]:
    """At its arrival, or at most a second before, the person allowed contact and had not blocked the employer."""
    for mail in history.mails:
        candidate = history.candidate_of.get(mail.outreach, "")
        employer = history.employer_of.get(mail.outreach, "")
        states = (history.consent_at(candidate, mail.at - late) for late in (timedelta(), windows.withdrawal_within))
        if not any(_allows(state, employer, mail.at) for state in states):
            yield Violation(
                "no send without a grant", mail.outreach, f"a mail arrived at {mail.at} without a live grant"
            )


def nothing_arrives_after_a_withdrawal(history: History, windows: PolicyWindows) -> Iterator[Violation]:
    """What the person was told with 200 holds a second later."""
    for withdrawal in history.withdrawals:
        for mail in history.arrivals.get(withdrawal.address, ()):
            if mail.at > withdrawal.at + windows.withdrawal_within and not _granted_again(history, mail, withdrawal.at):
                yield Violation("no send without a grant", mail.outreach, f"a mail arrived after {withdrawal.at}")


def one_person_is_one_candidate(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """An address belongs to one candidate and a candidate has one address."""
    addresses: dict[str, set[str]] = {}
    for address, mails in history.arrivals.items():
        candidates = {history.candidate_of[mail.outreach] for mail in mails if mail.outreach in history.candidate_of}
        if len(candidates) > 1:
            yield Violation(
                "one person, one candidate", min(candidates), f"{len(candidates)} candidates share an address"
            )
        for candidate in candidates:
            addresses.setdefault(candidate, set()).add(address)
    for candidate, found in addresses.items():
        if len(found) > 1:
            yield Violation("one person, one candidate", candidate, f"its mails went to {len(found)} addresses")


def versions_rise(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """On each topic a subject's versions rise; a version says one thing (a redelivered record is no second one)."""
    last: dict[tuple[str, str], int] = {}
    seen: dict[tuple[str, str, int], bytes] = {}
    events: set[tuple[str, str]] = set()
    for record in history.versioned:
        if (record.topic, record.event_id) in events:
            continue
        events.add((record.topic, record.event_id))
        subject = (record.topic, record.subject)
        said = seen.setdefault((*subject, record.version), record.content)
        if said != record.content:
            yield Violation(
                "versions rise", record.subject, f"{record.topic}: version {record.version} says two things"
            )
        elif record.version < last.get(subject, record.version):
            yield Violation("versions rise", record.subject, f"{record.topic}: {record.version} after {last[subject]}")
        last[subject] = max(last.get(subject, record.version), record.version)


def compaction_keeps_the_newest(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """The last record of each key of a compacted topic has its highest version, whatever was written twice."""
    last: dict[tuple[str, str], int] = {}
    highest: dict[tuple[str, str], int] = {}
    for record in history.versioned:
        if record.topic in _COMPACTED:
            key = (record.topic, record.subject)
            last[key] = record.version
            highest[key] = max(record.version, highest.get(key, record.version))
    for (topic, subject), version in last.items():
        if version < highest[topic, subject]:
            newest = highest[topic, subject]
            yield Violation("compaction keeps the newest", subject, f"{topic}: {version} is last, {newest} was said")


def every_record_is_readable(history: History, _: PolicyWindows) -> Iterator[Violation]:
    """Nothing lies on a topic that its readers can't understand, and nothing became a dead letter."""
    for place in history.unreadable:
        yield Violation("every record is readable", place.partition(" ")[0], place)


CHECKS: dict[str, Check] = {
    "caps hold for what arrived": caps_hold_for_what_arrived,
    "caps halve for who does not answer": caps_halve_for_who_does_not_answer,
    "caps hold for admitted slots": caps_hold_for_admitted_slots,
    "each person's own limits hold": the_persons_own_limits_hold,
    "mails arrive in open hours": mails_arrive_in_open_hours,
    "nothing is sent twice": nothing_is_sent_twice,
    "nothing is lost": nothing_is_lost,
    "mails and outcomes agree": mails_and_outcomes_agree,
    "every mail has a live grant": every_mail_has_a_live_grant,
    "nothing arrives after a withdrawal": nothing_arrives_after_a_withdrawal,
    "one person is one candidate": one_person_is_one_candidate,
    "versions rise": versions_rise,
    "compaction keeps the newest": compaction_keeps_the_newest,
    "every record is readable": every_record_is_readable,
    "an employer is told a word and a day, at its own ticks": employers.employers_are_told_a_word_and_a_day,
    "what is told `sent` was sent, and nothing else": employers.what_is_told_sent_was_sent,
    "every sender hears by the day it was told": employers.every_sender_hears_by_the_day_it_was_told,
    "a list names at least five, or nobody": employers.no_list_names_fewer_than_five,
    "whoever an employer is shown was noted as disclosed before": disclosures.whoever_was_shown_was_noted_before,
}
"""Each promise as people read it, and what checks it."""


def fullest(history: History, cap: Cap) -> int:
    """The most that any person got within one window of this cap."""
    everyone = ([mail.at for mail in mails] for mails in history.arrivals.values())
    return max((_count(moments, end, cap.within) for moments in everyone for end in moments), default=0)


def _over(cap: Cap, moments: Sequence[datetime], subject: str) -> Iterable[Violation]:
    for end in moments:
        count = _count(moments, end, cap.within)
        if count > cap.most:
            yield Violation("caps", subject, f"{cap.name}: {count} until {end}")


def _count(moments: Sequence[datetime], end: datetime, within: timedelta) -> int:
    return sum(1 for moment in moments if end - within < moment <= end)


def _own_caps(state: ConsentChanged | None) -> Iterator[Cap]:
    if state is not None and state.limits.first_contacts_per_week is not None:
        yield Cap("own cap a week", state.limits.first_contacts_per_week, timedelta(days=7))
    if state is not None and state.limits.min_gap_hours:
        yield Cap("own gap", 1, timedelta(hours=state.limits.min_gap_hours))


def _is_open(moment: datetime, state: ConsentChanged | None, windows: PolicyWindows) -> bool:
    zone = state.limits.time_zone if state else None
    if not windows.is_open(moment, zone):
        return False
    quiet = state.limits.quiet_hours if state else None
    return quiet is None or not any(_is_quiet(there, quiet) for there in windows.times_there(moment, zone))


def _is_quiet(there: time, quiet: QuietHours) -> bool:
    if quiet.start <= quiet.end:
        return quiet.start <= there < quiet.end
    return there >= quiet.start or there < quiet.end


def _admission_has_an_end(history: History, outreach: str, version: int) -> Iterator[Violation]:
    outcomes = history.outcomes_of.get(outreach, ())
    kinds = {item.outcome for item in outcomes if item.decision_version == version or item.outcome in USED}
    if not kinds:
        yield Violation("nothing lost", outreach, "it was admitted and nobody says what became of it")
    elif kinds == {"returned"}:
        yield Violation("nothing lost", outreach, "its slot was over, and it was not decided again")


def _allows(state: ConsentChanged | None, employer: str, moment: datetime) -> bool:
    return (
        state is not None
        and "contact" in state.purposes
        and employer not in state.limits.blocked_employers
        and (state.paused_until is None or state.paused_until <= moment)
        and (state.ends_at is None or state.ends_at > moment)
    )


def _granted_again(history: History, mail: ArrivedMail, since: datetime) -> bool:
    states = history.consents_of.get(history.candidate_of.get(mail.outreach, ""), ())
    return any("contact" in state.purposes and since < state.at <= mail.at for state in states)
