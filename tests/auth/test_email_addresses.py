import pytest

from auth.email_addresses import mask_email, parse_email
from auth.errors import EmailAddressInvalid


def test_case_does_not_tell_two_addresses_apart() -> None:
    assert parse_email("Anna@Beispiel.Example").key == parse_email("anna@beispiel.example").key


def test_dots_and_tags_do() -> None:
    keys = {parse_email(text).key for text in ("an.na@web.example", "anna@web.example", "anna+film@web.example")}
    assert len(keys) == 3


def test_a_domain_of_another_alphabet_is_compared_in_ascii() -> None:
    assert parse_email("anna@münchen.de").key == "anna@xn--mnchen-3ya.de"
    assert parse_email("anna@ＥＸＡＭＰＬＥ.com").key == "anna@example.com"


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
