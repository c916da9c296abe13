import os

import pytest

from auth.ids import new_id
from auth.tokens import PASSWORD_RESET, REGISTRATION, SESSION, MailedTokens, hash_token, make_token


def test_a_token_says_its_kind_and_holds_256_bits() -> None:
    token = make_token(SESSION)
    assert token.startswith("vt1_session_")
    assert len(token.removeprefix("vt1_session_")) == 43
    assert make_token(SESSION) != token


def test_a_token_of_one_kind_is_none_of_another() -> None:
    token = make_token(REGISTRATION)
    assert hash_token(token, kind=REGISTRATION) is not None
    assert hash_token(token, kind=PASSWORD_RESET) is None
    assert hash_token(token, kind=SESSION) is None


@pytest.mark.parametrize("text", ["", "vt1_session_", "vt1_session_" + "é" * 43, "x" * 5000, "vt1_session_" + "a" * 44])
def test_what_has_not_the_shape_is_not_even_hashed(text: str) -> None:
    assert hash_token(text, kind=SESSION) is None


def test_a_mailed_token_is_the_same_whenever_it_is_minted() -> None:
    mint, reference = MailedTokens(os.urandom(32)), new_id()
    assert mint.mint(PASSWORD_RESET, reference) == mint.mint(PASSWORD_RESET, reference)


def test_a_mailed_token_differs_by_reference_kind_and_key() -> None:
    mint, reference = MailedTokens(os.urandom(32)), new_id()
    secrets = {
        mint.mint(PASSWORD_RESET, reference)[-43:],
        mint.mint(PASSWORD_RESET, new_id())[-43:],
        mint.mint(REGISTRATION, reference)[-43:],
        MailedTokens(os.urandom(32)).mint(PASSWORD_RESET, reference)[-43:],
    }
    assert len(secrets) == 4
