"""The parts of what is held of a person: each with why it is held, and for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.i18n import marked


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of thing that is held."""

    name: str
    title: str
    basis: str
    """Why it is held at all."""
    kept: str
    """For how long."""
    empty: str = ""
    rows: Sequence[tuple[str, str]] = ()


_ERASED = marked("until you erase yourself")
PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        Part(
            "identity",
            marked("Who you are"),
            marked("To write to you. Sealed under a key of your own; no employer gets it from us."),
            marked("until you erase yourself; 14 days if you never answer"),
        ),
        Part(
            "profile",
            marked("What you show"),
            marked("Your own choice: you kept it or said it, and employers see it only while you let them find you."),
            marked("until you change it, or until you erase yourself"),
            marked("You have saved no profile. No employer sees anything of you."),
        ),
        Part(
            "claims",
            marked("Who told us about you"),
            marked("So that you can see who did. It permits nobody anything."),
            marked("until they delete their record, you say that it is not you, or until you erase yourself"),
            marked("There is no such record now."),
        ),
        Part(
            "proposals",
            marked("What they told us about your work"),
            marked("To ask you. Nobody but you sees it, and nothing of it is in force unless you use it."),
            marked("as long as the record that told it; of all of them the newest 20"),
            marked("Nothing."),
        ),
        Part(
            "denied",
            marked("What you said is not you"),
            marked("So that the same record does not come back."),
            _ERASED,
            marked("Nothing."),
        ),
        Part(
            "intake",
            marked("What was told and is still sealed"),
            marked("To put reports in their order when one arrives late."),
            marked("one day"),
            marked("Nothing."),
        ),
        Part(
            "emails",
            marked("Emails to you"),
            marked("So that nothing is sent twice. Never the words: those of employers are sealed to you."),
            marked("110 days"),
            marked("None."),
        ),
        Part(
            "email_change",
            marked("Another email"),
            marked(
                "You, or somebody with your recovery code, asked for it. Both emails are sealed under a key of your own."
            ),
            marked("15 minutes, and 72 hours more once it is changed or waits; of an old email a scrambled mark stays"),
            marked("No change is under way."),
        ),
        Part(
            "recovery_code",
            marked("Your recovery code"),
            marked("So that you can leave a lost mailbox. Not the code: only what it is checked against."),
            _ERASED,
            marked("You have none."),
        ),
        Part(
            "sessions",
            marked("Where you are, or were, signed in"),
            marked("So that you can see it and end it, and so that no link works twice."),
            marked("until the session and its link would have ended: 4 hours, or up to 3 days"),
            marked("Nowhere."),
        ),
        Part(
            "exports",
            marked("What you take along"),
            marked("You asked for it. The file is sealed to you."),
            marked("a day after it is ready; 3 days if it never is"),
            marked("You asked for nothing."),
        ),
        Part(
            "looked_at",
            marked("What the operator did"),
            marked("So that you and others can check who looked."),
            marked("what concerns you until you erase yourself; that something was done stays, without you"),
            marked("Nobody looked you up."),
        ),
        Part(
            "marks",
            marked("What can’t be read"),
            marked("So that nobody can have you invited again and again, or have you emailed too often."),
            marked(
                "a scrambled mark of your email for good, also after you erased yourself; who asked for an email to it, as scrambled marks, for one day"
            ),
        ),
    )
}
