"""E-mail addresses: what is accepted, how two are compared, and how one is shown to support."""

from dataclasses import dataclass
from typing import Final

from email_validator import EmailNotValidError, validate_email

from auth.errors import EmailAddressInvalid

LONGEST: Final = 254
"""Characters of the longest address that mail can be sent to (RFC 5321, 4.5.3.1)."""


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An accepted address."""

    text: str
    """As shown and written to, in ASCII (IDN domains as xn--)."""
    key: str
    """As compared: lower case. Dots and plus tags count; they are different addresses to most hosts."""

    @property
    def words(self) -> tuple[str, ...]:
        """Local part and domain without its ending: what must not be most of a password."""
        local, _, domain = self.key.rpartition("@")
        return (local, domain.rpartition(".")[0])


def parse_email(text: str) -> EmailAddress:
    """Read an address; raises `EmailAddressInvalid`.

    Only ASCII local parts are taken, and the key is made here and never by the database: its `lower()` merges
    letters of other alphabets with ours.
    """
    if len(text) > LONGEST:
        raise EmailAddressInvalid
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as fault:
        raise EmailAddressInvalid from fault
    address = found.ascii_email
    if address is None or len(address) > LONGEST:
        raise EmailAddressInvalid
    return EmailAddress(text=address, key=key_of(address))


def key_of(accepted: str) -> str:
    """The key of an address that was accepted: reading it once more would find nothing else."""
    return accepted.lower()


def mask_email(address: str) -> str:
    """An address as support may see it: `b•••@g•••.de`."""
    local, _, domain = address.rpartition("@")
    name, _, ending = domain.rpartition(".")
    return f"{local[:1]}•••@{name[:1]}•••.{ending}"
