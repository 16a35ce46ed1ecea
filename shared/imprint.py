"""Who runs a network: its name, postal address and contact, as every email and public page says them."""

from dataclasses import dataclass

from shared.i18n import gettext


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever runs this network, in their own words; what they have not said is empty, and people are told so."""

    name: str = ""
    address: str = ""
    """Postal: commercial email needs one (CAN-SPAM, 15 U.S.C. 7704(a)(5)(A)(iii))."""
    contact: str = ""
    """An email that somebody reads."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The settings that say nothing yet."""
        said = {"FAIRPOOL_OPERATOR_NAME": self.name, "FAIRPOOL_OPERATOR_ADDRESS": self.address, "FAIRPOOL_CONTACT_EMAIL": self.contact}  # fmt: skip
        return tuple(setting for setting, value in said.items() if not value)

    @property
    def who(self) -> str:
        """One sentence: who runs it, and where they are."""
        match bool(self.name), bool(self.address):
            case True, True:
                return gettext("Fairpool is run by %(name)s, %(address)s.", name=self.name, address=self.address)
            case True, False:
                return gettext("Fairpool is run by %(name)s, who have not given a postal address.", name=self.name)
            case False, True:
                return gettext(
                    "Fairpool is run from %(address)s, by somebody who has not given a name.", address=self.address
                )
            case _:
                return gettext("Whoever runs this Fairpool has given neither a name nor a postal address.")

    @property
    def questions(self) -> str:
        """One sentence: where to write to."""
        return (
            gettext("Questions: %(contact)s", contact=self.contact)
            if self.contact
            else gettext("They have not given an email for questions.")
        )
