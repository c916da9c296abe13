import asyncio
import importlib.metadata
import threading
import time
from statistics import median

import pytest

from auth.errors import Overloaded, PasswordRefused
from auth.passwords import PasswordHasher, check_new_password, normalise
from tests.auth.people import GOOD_PASSWORD


def cheap_hasher(*, threads: int = 1, queue: int = 4, reserved: int = 0) -> PasswordHasher:
    return PasswordHasher(threads=threads, queue=queue, reserved=reserved, memory_kibibytes=64, passes=1)


def reasons_against(password: str, *, kind: str = "customer", words: tuple[str, ...] = ()) -> tuple[str, ...]:
    try:
        check_new_password(normalise(password), kind=kind, words=words)
    except PasswordRefused as refusal:
        return refusal.reasons
    return ()


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("kurz genug", "too_short"),
        ("12345678901", "too_short"),
        ("password1234", "known_to_attackers"),
        ("PASSWORTpasswort", "known_to_attackers"),
        ("aaaaaaaaaaaaaaaa", "monotonous"),
        ("videothek2026!", "guessable"),
        ("Anna.Schmidt.99", "guessable"),
        ("x" * 129, "too_long"),
        ("drei Esel\x00 tanzen", "unreadable"),
        ("drei Esel\ud800 tanzen", "unreadable"),
        ("", "too_short"),
    ],
)
def test_a_weak_password_is_refused_with_its_reason(password: str, reason: str) -> None:
    assert reason in reasons_against(password, words=("anna.schmidt", "beispiel"))


@pytest.mark.parametrize(
    "password",
    [GOOD_PASSWORD, "zwölf Zeich.", "пять слонов идут", "ein Kinofilm am Abend", "🎬" * 3 + " vier Wände im Wald"],
)
def test_length_is_all_that_a_good_password_needs(password: str) -> None:
    assert reasons_against(password) == ()


def test_staff_need_fifteen_characters() -> None:
    assert reasons_against("vierzehn Zeich", kind="customer") == ()
    assert reasons_against("vierzehn Zeich", kind="staff") == ("too_short",)


def test_every_reason_is_said_in_words() -> None:
    with pytest.raises(PasswordRefused) as refused:
        check_new_password("password1234", kind="customer")
    assert "gestohlener Passwörter" in refused.value.sentence("de")
    assert "stolen passwords" in refused.value.sentence("en")


def test_a_letter_typed_in_two_pieces_is_the_same_letter() -> None:
    assert normalise("Mo\u0308we") == normalise("M\u00f6we")
    assert len(normalise("o\u0308" * 128)) == 128


async def test_a_hash_fits_its_password_and_no_other() -> None:
    hasher = cheap_hasher()
    hashed = await hasher.accept(GOOD_PASSWORD, kind="customer")
    assert hashed.startswith("$argon2id$")
    assert await hasher.verify(GOOD_PASSWORD, hashed) == (True, None)
    assert await hasher.verify("ein anderes Passwort", hashed) == (False, None)
    assert await hasher.verify(GOOD_PASSWORD, None) == (False, None)
    hasher.close()


async def test_a_hash_of_weaker_parameters_is_renewed() -> None:
    weak, strong = cheap_hasher(), PasswordHasher(threads=1, memory_kibibytes=128, passes=1)
    matches, renewed = await strong.verify(GOOD_PASSWORD, await weak.accept(GOOD_PASSWORD, kind="customer"))
    assert matches
    assert renewed is not None
    assert "m=128" in renewed
    weak.close()
    strong.close()


async def test_the_parameters_are_those_of_the_standard() -> None:
    hasher = PasswordHasher(threads=1)
    assert "$m=19456,t=2,p=1$" in await hasher.accept(GOOD_PASSWORD, kind="customer")
    hasher.close()


async def test_beyond_the_queue_the_rest_is_turned_away_at_once() -> None:
    hasher = cheap_hasher(threads=1, queue=3)
    gate = threading.Event()
    held = [asyncio.create_task(hasher._run(gate.wait, urgent=False)) for _ in range(4)]
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(Overloaded):
            await hasher.verify(GOOD_PASSWORD, None)
    assert hasher.shed == 3
    gate.set()
    await asyncio.gather(*held)
    assert await hasher.verify(GOOD_PASSWORD, None) == (False, None)
    hasher.close()


async def test_who_waited_too_long_is_told_to_come_back_and_makes_room() -> None:
    hasher = PasswordHasher(threads=1, queue=1, reserved=0, wait=0.01, memory_kibibytes=64, passes=1)
    gate = threading.Event()
    held = hasher._pool.submit(gate.wait)
    try:
        for shed in (1, 2):
            with pytest.raises(Overloaded) as refused:
                await hasher.verify(GOOD_PASSWORD, None)
            assert (refused.value.status, refused.value.headers["Retry-After"], hasher.shed) == (503, "3", shed)
            await asyncio.sleep(0)
            assert hasher.waiting == 0
    finally:
        gate.set()
        held.result()
        hasher.close()


async def test_a_flood_of_sign_ins_leaves_room_for_recovery() -> None:
    hasher = cheap_hasher(threads=1, queue=3, reserved=1)
    gate = threading.Event()
    held = [asyncio.create_task(hasher._run(gate.wait, urgent=False)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await hasher.verify(GOOD_PASSWORD, None)
    recovery = asyncio.create_task(hasher.accept(GOOD_PASSWORD, kind="customer", urgent=True))
    await asyncio.sleep(0)
    gate.set()
    assert (await recovery).startswith("$argon2id$")
    await asyncio.gather(*held)
    hasher.close()


async def test_who_has_no_place_is_turned_away_before_anything_is_asked() -> None:
    hasher = cheap_hasher(threads=1, queue=1, reserved=1)
    with hasher.place() as place:
        assert await hasher.verify(GOOD_PASSWORD, None, place=place) == (False, None)
        for _ in range(2):
            with pytest.raises(Overloaded), hasher.place():
                pytest.fail("there is no place")
        with hasher.place(urgent=True) as reserved:
            assert await hasher.verify(GOOD_PASSWORD, None, place=reserved) == (False, None)
    assert (hasher.waiting, hasher.shed) == (0, 2)
    hasher.close()


async def test_a_request_that_goes_away_frees_no_place_whose_thread_still_works() -> None:
    hasher = cheap_hasher(threads=1, queue=0)
    gate, is_running = threading.Event(), threading.Event()

    def work() -> None:
        is_running.set()
        gate.wait()

    task = asyncio.create_task(hasher._run(work, urgent=False))
    await asyncio.to_thread(is_running.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(Overloaded):
        await hasher.verify(GOOD_PASSWORD, None)
    gate.set()
    hasher.close()


async def test_an_unknown_address_costs_as_much_hashing_as_a_known_one() -> None:
    hasher = PasswordHasher(threads=1)
    hashed = await hasher.accept(GOOD_PASSWORD, kind="customer")
    # Processor time, so that a busy machine changes nothing; the first try after the start counts too.
    spans: dict[str | None, list[float]] = {None: [], hashed: []}
    for _ in range(7):
        for stored, taken in spans.items():
            before = time.thread_time()
            hasher._verify("ein anderes Passwort", stored)
            taken.append(time.thread_time() - before)
    unknown, known = (median(taken) for taken in spans.values())
    hasher.close()
    assert unknown == pytest.approx(known, rel=0.35)


def test_the_living_library_is_installed_and_the_abandoned_one_is_not() -> None:
    assert importlib.metadata.version("libpass")
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("passlib")
