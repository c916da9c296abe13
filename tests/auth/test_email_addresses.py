import asyncpg
import httpx
import pytest
from litestar import Litestar

from auth.email_addresses import mask_email, parse_email
from auth.errors import EmailAddressInvalid
from tests.auth.people import GOOD_PASSWORD, a_customer, with_unused_limits
from tests.auth.post_office import PostOffice, deliver_mails


def test_case_does_not_tell_two_addresses_apart() -> None:
    assert parse_email("Anna@Beispiel.Example").key == parse_email("anna@beispiel.example").key


def test_dots_and_tags_do() -> None:
    keys = {parse_email(text).key for text in ("an.na@web.example", "anna@web.example", "anna+film@web.example")}
    assert len(keys) == 3


def test_a_domain_of_another_alphabet_is_compared_in_ascii() -> None:
    assert parse_email("anna@münchen.de").key == "anna@xn--mnchen-3ya.de"
    assert parse_email("anna@ＥＸＡＭＰＬＥ.com").key == "anna@example.com"


TRICKS: dict[str, tuple[str, str | None]] = {
    "capitals": ("ANNA@WEB.EXAMPLE", "anna@web.example"),
    "capitals of the domain": ("anna@Web.Example", "anna@web.example"),
    "a Cyrillic letter": ("\u0430nna@web.example", None),
    "a Cyrillic letter in the domain": ("anna@w\u0435b.example", "anna@xn--wb-nlc.example"),
    "a Greek letter": ("ann\u03b1@web.example", None),
    "a dotted capital I": ("ANNA\u0130@web.example", None),
    "a dotless i": ("ann\u0131@web.example", None),
    "a sharp s": ("stra\u00dfe@web.example", None),
    "the Kelvin sign": ("\u212aarl@web.example", None),
    "the Kelvin sign in the domain": ("anna@\u212aino.example", "anna@kino.example"),
    "a long s": ("hau\u017f@web.example", None),
    "a ligature": ("\ufb01sh@web.example", None),
    "full-width letters": ("\uff41nna@web.example", None),
    "a full-width domain": ("anna@\uff57\uff45\uff42.example", "anna@web.example"),
    "a full-width at sign": ("anna\uff20web.example", None),
    "a domain of another alphabet": ("anna@kin\u00f6.example", "anna@xn--kin-una.example"),
    "the same, in ASCII": ("anna@xn--kin-una.example", "anna@xn--kin-una.example"),
    "a zero-width space": ("an\u200bna@web.example", None),
    "a soft hyphen in the domain": ("anna@we\u00adb.example", None),
    "text that runs to the left": ("anna\u202e@web.example", None),
    "a combining mark": ("an\u0303na@web.example", None),
    "a tag": ("anna+film@web.example", "anna+film@web.example"),
    "dots": ("a.nna@web.example", "a.nna@web.example"),
    "a space before": (" anna@web.example", None),
    "a space behind": ("anna@web.example ", None),
    "a comment": ("anna(x)@web.example", None),
    "a display name": ("Anna <anna@web.example>", None),
    "two at signs": ("anna@eva@web.example", None),
    "a percent sign that relays": ("anna%eva.example@web.example", "anna%eva.example@web.example"),
    "a quoted local part": ('"anna"@web.example', None),
    "a header behind it": ("anna@web.example%0aBcc:eva@web.example", None),
}
"""What somebody may try to be taken for anna@web.example, and the key that it has; None: it is refused."""


@pytest.mark.parametrize("trick", TRICKS)
def test_an_address_is_the_same_as_another_only_if_it_is_the_same_mailbox(trick: str) -> None:
    text, key = TRICKS[trick]
    try:
        found = parse_email(text)
    except EmailAddressInvalid:
        assert key is None
        return
    assert found.key == key
    assert found.key.isascii()
    assert found.text.isascii()


async def test_no_trick_opens_registers_or_resets_the_account_of_another_mailbox(
    app: Litestar, client: httpx.AsyncClient, post_office: PostOffice, owner: asyncpg.Connection
) -> None:
    account = await a_customer(app, email="anna@web.example")
    same = {text for text, key in TRICKS.values() if key == account.email_key}
    for text, _ in TRICKS.values():
        with_unused_limits(app)
        opened = await client.post("/v1/sessions", json={"email": text, "password": GOOD_PASSWORD})
        assert (opened.status_code == 201) == (text in same), text
        await client.post("/v1/password-resets", json={"email": text})
    await deliver_mails(app)
    assert {letter["To"] for letter in post_office.letters} == {account.email}
    assert len(post_office.to(account.email)) >= 1
    assert await owner.fetchval("SELECT count(*) FROM auth.password_resets WHERE account_id <> $1", account.id) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        "anna@localhost",
        "аnna@web.example",  # a Cyrillic a
        "ⓐnna@web.example",
        "İnfo@web.example",
        "anna@web.example.",
        "anna@web.example\n",
        "anna@web.example\nBcc: eva@web.example",
        "anna@web.example,eva@web.example",
        "anna@[127.0.0.1]",
        '"anna eva"@web.example',
        "a" * 65 + "@web.example",
        "anna@" + ".".join(["a" * 60] * 5) + ".example",
        "anna\x00@web.example",
    ],
)
def test_what_is_no_plain_address_is_refused(text: str) -> None:
    with pytest.raises(EmailAddressInvalid):
        parse_email(text)


def test_support_sees_no_more_than_the_first_letters() -> None:
    assert mask_email("berta@gmail.de") == "b•••@g•••.de"
