"""How often something may be tried: the rules, and how their keys are made."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from auth.email_addresses import EmailAddress
from auth.errors import Refusal
from auth.ports import Throttle
from auth.visits import Visit


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `burst` at once, refilled evenly over `per`."""

    name: str
    burst: int
    per: timedelta
    announced: bool = True
    """Whether answers say what is left. Not where addresses are counted: it would tell that their owner was here."""

    async def admit(self, throttle: Throttle, key: str) -> None:
        """Count one try; raises `TooManyAttempts`."""
        await throttle.admit(rule=self.name, key=key, burst=self.burst, per=self.per, announced=self.announced)

    async def give_back(self, throttle: Throttle, key: str) -> None:
        """Take one try back."""
        await throttle.give_back(rule=self.name, key=key, burst=self.burst, per=self.per)


@dataclass(frozen=True, slots=True)
class DistinctRule:
    """At most `most` different ones within `per`; how many are left is never said, as it would tell who was here."""

    name: str
    most: int
    per: timedelta

    async def admit(self, throttle: Throttle, key: str, member: str) -> None:
        """Count one of them; raises `TooManyAttempts`."""
        await throttle.admit_member(rule=self.name, key=key, member=member, most=self.most, per=self.per)

    async def give_back(self, throttle: Throttle, key: str, member: str) -> None:
        """Take one of them back."""
        await throttle.give_member_back(rule=self.name, key=key, member=member)


@dataclass(frozen=True, slots=True)
class Count:
    """A rule with the key that one request is counted under, until it turns out to be no failure."""

    rule: Rule
    key: str
    origin: str | None = None
    """Where the try came from, if the different accounts tried from there are counted."""
    member: str = ""

    async def admit(self, throttle: Throttle) -> None:
        """Count the try; raises `TooManyAttempts`."""
        if self.origin is not None:
            await SIGN_IN_ACCOUNTS_PER_HOUR.admit(throttle, self.origin, self.member)
        await self.rule.admit(throttle, self.key)

    async def give_back(self, throttle: Throttle) -> None:
        """Take the try back, as it succeeded."""
        await self.rule.give_back(throttle, self.key)
        if self.origin is not None:
            await SIGN_IN_ACCOUNTS_PER_HOUR.give_back(throttle, self.origin, self.member)

    @asynccontextmanager
    async def unless_our_fault(self, throttle: Throttle) -> AsyncIterator[None]:
        """Around what decides about the try: if it fails for a reason of ours (503), the try was none."""
        try:
            yield
        except Exception as fault:
            if not isinstance(fault, Refusal) or fault.status >= 500:
                await self.give_back(throttle)
            raise


SIGN_IN_PER_ADDRESS: Final = Rule("sign_in.account", 10, timedelta(minutes=15), announced=False)
SIGN_IN_PER_DEVICE: Final = Rule("sign_in.device", 10, timedelta(minutes=15))
SIGN_INS_ON_DEVICE: Final = Rule("sign_in.device.minute", 20, timedelta(minutes=1))
"""Good ones too: a known device passes the limits of its network, and checking a password is dear."""
SIGN_IN_PER_MINUTE: Final = Rule("sign_in.ip.minute", 30, timedelta(minutes=1))
SIGN_IN_PER_HOUR: Final = Rule("sign_in.ip.hour", 300, timedelta(hours=1))
SIGN_IN_PER_NETWORK: Final = Rule("sign_in.network.hour", 2000, timedelta(hours=1))
"""A /24 or /48: what someone rents who changes the address with each try."""
SIGN_IN_ACCOUNTS_PER_HOUR: Final = DistinctRule("sign_in.ip.accounts", 20, timedelta(hours=1))
"""Different accounts that somebody fails to enter from one place: who tries stolen passwords tries many."""
FORGOT_PER_ORIGIN: Final = Rule("forgot.account.network", 5, timedelta(days=1), announced=False)
FORGOT_PER_ADDRESS: Final = Rule("forgot.account", 20, timedelta(days=1), announced=False)
FORGOT_PER_DEVICE: Final = Rule("forgot.device", 5, timedelta(days=1))
FORGOT_PER_IP: Final = Rule("forgot.ip", 20, timedelta(hours=1))
REGISTER_PER_ADDRESS: Final = Rule("register.account", 5, timedelta(days=1), announced=False)
REGISTER_PER_IP: Final = Rule("register.ip", 30, timedelta(hours=1))
COMPLETE_PER_IP: Final = Rule("link.ip", 30, timedelta(hours=1))
"""Tries with mailed links that confirm an address, and with any that are not valid."""
PASSKEY_PER_MINUTE: Final = Rule("passkey.ip.minute", 30, timedelta(minutes=1))
PASSKEY_PER_HOUR: Final = Rule("passkey.ip.hour", 300, timedelta(hours=1))
"""Challenges for who is not signed in; tries count as sign-ins do."""
PASSKEYS_ON_DEVICE: Final = Rule("passkey.device.minute", 20, timedelta(minutes=1))
PASSKEY_PER_HOLDER: Final = Rule("passkey.holder", 30, timedelta(minutes=15))
"""Challenges for one session or one begun sign-in."""
CODES_PER_ACCOUNT: Final = (
    Rule("code.five_minutes", 5, timedelta(minutes=5)),
    Rule("code.hour", 20, timedelta(hours=1)),
    Rule("code.day", 50, timedelta(days=1)),
)
"""Wrong codes of a second factor. Whoever gets to try one has proved the password before."""

COMPLETE_PER_LINK: Final = Rule("link.valid", 60, timedelta(hours=1))
"""Tries with one valid link for a new password, until the password will do."""
STEP_UP_PER_SESSION: Final = Rule("step_up.session", 10, timedelta(minutes=15))
"""By session, so that who stole one keeps the owner's others from nothing. Good ones count too."""
PASSWORD_CHANGE_PER_ACCOUNT: Final = Rule("password_change.account", 10, timedelta(hours=1))

PARENTAL_PIN_PER_ACCOUNT: Final = Rule("parental_pin.account", 5, timedelta(hours=1))
"""Wrong PINs, wherever in the household they are tried: at five an hour, four digits last for a month and more."""

TV_GRANT_PER_ADDRESS: Final = Rule("tv.ip", 60, timedelta(hours=1))
"""TVs that ask to be signed in: one that shows its code all evening asks six times an hour."""
TV_CODE_PER_ACCOUNT: Final = Rule("tv_code.account", 5, timedelta(minutes=10))
TV_CODE_PER_ADDRESS: Final = Rule("tv_code.ip", 20, timedelta(hours=1))
"""Wrong codes of TVs."""

EMAIL_CHANGE_PER_ACCOUNT: Final = Rule("email_change.account", 5, timedelta(days=1))
EMAIL_CHANGE_PER_ADDRESS: Final = Rule("email_change.address", 5, timedelta(days=1), announced=False)
"""By the new address, so that many accounts do not fill one mailbox."""

RESETS_PER_AGENT_AND_HOUR: Final = 10
RESETS_PER_AGENT_AND_DAY: Final = 30
RESETS_PER_CUSTOMER_AND_DAY: Final = 3
"""Counted in PostgreSQL from the resets themselves, under a lock (self-service included for the customer)."""


async def admit_sign_in(throttle: Throttle, *, address: EmailAddress, visit: Visit, is_known: bool) -> Count:
    """Count a try to sign in; answers what to give back if it succeeds.

    On a device that is known to the account only its own tries count, so that nobody keeps the owner out by
    guessing. Any other try counts against where it comes from and then against the address, known or not.
    """
    if is_known:
        await SIGN_INS_ON_DEVICE.admit(throttle, (visit.device or b"").hex())
        count = Count(SIGN_IN_PER_DEVICE, _device_key(address, visit))
    else:
        await admit_origin(throttle, visit=visit)
        count = Count(SIGN_IN_PER_ADDRESS, address.key, origin=visit.limit_key, member=address.key)
    await count.admit(throttle)
    return count


async def admit_origin(throttle: Throttle, *, visit: Visit) -> None:
    """Count a try to sign in against where it comes from."""
    await SIGN_IN_PER_MINUTE.admit(throttle, visit.limit_key)
    await SIGN_IN_PER_HOUR.admit(throttle, visit.limit_key)
    await SIGN_IN_PER_NETWORK.admit(throttle, visit.network)


async def admit_passkey_challenge(throttle: Throttle, *, visit: Visit, is_known: bool) -> None:
    """Count a challenge for somebody not signed in: apart for a known device, as others may use its network up."""
    if is_known:
        await PASSKEYS_ON_DEVICE.admit(throttle, (visit.device or b"").hex())
        return
    await PASSKEY_PER_MINUTE.admit(throttle, visit.limit_key)
    await PASSKEY_PER_HOUR.admit(throttle, visit.limit_key)


async def admit_passkey(throttle: Throttle, *, visit: Visit, is_known: bool) -> None:
    """Count a try to sign in by a passkey alone: against a known device, else against where it comes from."""
    if is_known:
        await SIGN_INS_ON_DEVICE.admit(throttle, (visit.device or b"").hex())
    else:
        await admit_origin(throttle, visit=visit)


async def admit_forgotten(throttle: Throttle, *, address: EmailAddress, visit: Visit, is_known: bool) -> None:
    """Count a request for a reset link: apart for a known device, and by network so that no other closes the way."""
    if is_known:
        await FORGOT_PER_DEVICE.admit(throttle, _device_key(address, visit))
        return
    await FORGOT_PER_IP.admit(throttle, visit.limit_key)
    await FORGOT_PER_ORIGIN.admit(throttle, f"{visit.network}|{address.key}")
    await FORGOT_PER_ADDRESS.admit(throttle, address.key)


def _device_key(address: EmailAddress, visit: Visit) -> str:
    return f"{(visit.device or b'').hex()}|{address.key}"


async def admit_code(throttle: Throttle, *, account_id: UUID) -> None:
    """Count a try with a code of the second factor."""
    for rule in CODES_PER_ACCOUNT:
        await rule.admit(throttle, str(account_id))


async def give_code_back(throttle: Throttle, *, account_id: UUID) -> None:
    """Take back what a right code had counted."""
    for rule in CODES_PER_ACCOUNT:
        await rule.give_back(throttle, str(account_id))


async def admit_registration(throttle: Throttle, *, address: EmailAddress, visit: Visit) -> None:
    """Count a registration."""
    await REGISTER_PER_IP.admit(throttle, visit.limit_key)
    await REGISTER_PER_ADDRESS.admit(throttle, address.key)
