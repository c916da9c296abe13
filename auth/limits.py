"""How often something may be tried: the rules, and how their keys are made."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from auth.email_addresses import EmailAddress
from auth.ports import Throttle
from auth.visits import Visit


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `burst` at once, refilled evenly over `per`."""

    name: str
    burst: int
    per: timedelta

    async def admit(self, throttle: Throttle, key: str) -> None:
        """Count one try; raises `TooManyAttempts`."""
        await throttle.admit(rule=self.name, key=key, burst=self.burst, per=self.per)

    async def give_back(self, throttle: Throttle, key: str) -> None:
        """Take one try back."""
        await throttle.give_back(rule=self.name, key=key, burst=self.burst, per=self.per)


SIGN_IN_PER_ADDRESS: Final = Rule("sign_in.account", 10, timedelta(minutes=15))
SIGN_IN_PER_MINUTE: Final = Rule("sign_in.ip.minute", 30, timedelta(minutes=1))
SIGN_IN_PER_HOUR: Final = Rule("sign_in.ip.hour", 300, timedelta(hours=1))
FORGOT_PER_ADDRESS: Final = Rule("forgot.account", 5, timedelta(days=1))
FORGOT_PER_IP: Final = Rule("forgot.ip", 20, timedelta(hours=1))
REGISTER_PER_ADDRESS: Final = Rule("register.account", 5, timedelta(days=1))
REGISTER_PER_IP: Final = Rule("register.ip", 30, timedelta(hours=1))
COMPLETE_PER_IP: Final = Rule("link.ip", 30, timedelta(hours=1))
"""Tries with mailed links: confirming an address, completing a reset."""

RESETS_PER_AGENT_AND_HOUR: Final = 10
RESETS_PER_AGENT_AND_DAY: Final = 30
RESETS_PER_CUSTOMER_AND_DAY: Final = 3
"""Counted in PostgreSQL from the resets themselves, under a lock (self-service included for the customer)."""


async def admit_sign_in(throttle: Throttle, *, address: EmailAddress, visit: Visit) -> None:
    """Count a try to sign in, first against where it comes from and then against the address, known or not."""
    await SIGN_IN_PER_MINUTE.admit(throttle, visit.limit_key)
    await SIGN_IN_PER_HOUR.admit(throttle, visit.limit_key)
    await SIGN_IN_PER_ADDRESS.admit(throttle, address.key)


async def admit_forgotten(throttle: Throttle, *, address: EmailAddress, visit: Visit) -> None:
    """Count a request for a reset link."""
    await FORGOT_PER_IP.admit(throttle, visit.limit_key)
    await FORGOT_PER_ADDRESS.admit(throttle, address.key)


async def admit_registration(throttle: Throttle, *, address: EmailAddress, visit: Visit) -> None:
    """Count a registration."""
    await REGISTER_PER_IP.admit(throttle, visit.limit_key)
    await REGISTER_PER_ADDRESS.admit(throttle, address.key)
