"""What goes over the wire is read by others as it was meant."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.letter_templates import Rendered
from store.mail_message import write_message

MAIL_ID = UUID(int=7)
AT = datetime(2026, 7, 3, 20, 15, tzinfo=UTC)
WORDS = Rendered(subject="Probe", text="Guten Tag,\n\nmit Umlauten: äöü ß\n", html="<p>Größe &amp; Preis: 11,99 €</p>")
PRINTABLE = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"))


def written(words: Rendered, *, sender: str = "Kino <kino@videothek.example>", recipient: str = "a@b.example") -> bytes:
    return write_message(words, mail_id=MAIL_ID, sender=sender, recipient=recipient, locale="de", at=AT)


def read(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk()] == [[], [], []]
    return message


def body_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_mail_has_what_every_mail_needs() -> None:
    message = read(written(WORDS))
    assert (message["From"], message["To"], message["Subject"]) == (
        "Kino <kino@videothek.example>",
        "a@b.example",
        "Probe",
    )
    assert message["Message-ID"] == f"<{MAIL_ID}@videothek.example>"
    assert message["Date"].datetime == AT
    assert message["Content-Language"] == "de"
    assert message.get_content_type() == "multipart/alternative"
    assert body_of(message, "plain") == WORDS.text
    assert body_of(message, "html") == WORDS.html


@given(text=PRINTABLE, html=PRINTABLE)
def test_every_text_arrives_as_it_was_written_in_short_lines_of_ascii(text: str, html: str) -> None:
    content = written(Rendered("Probe", text, html))
    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= 78
    message = read(content)
    assert (body_of(message, "plain"), body_of(message, "html")) == (text, html)


@pytest.mark.parametrize(
    "text", ["From the cellar\n.\n..\n", "trailing \nends with a blank ", f"--=_{MAIL_ID.hex}\n", "a\r\nb"]
)
def test_what_means_something_to_mail_servers_arrives_too(text: str) -> None:
    assert body_of(read(written(Rendered("Probe", text, "<p></p>"))), "plain") == text.replace("\r\n", "\n")


@pytest.mark.parametrize("subject", ["Ihre Bestellung für „Her“", "Größe " * 40, "long words " * 20, "Re: a: b"])
def test_every_subject_arrives_whole(subject: str) -> None:
    subject = " ".join(subject.split())
    content = written(Rendered(subject, "t", "h"))
    assert read(content)["Subject"] == subject
    assert content.isascii()


def test_a_sender_with_an_umlaut_can_be_answered() -> None:
    message = read(written(WORDS, sender="Kinö <kino@videothek.example>"))
    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Kinö", "kino@videothek.example")


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n", "\x0b", "\x85", "\u2028"])
def test_nobody_smuggles_a_header_in(line_break: str) -> None:
    with pytest.raises(ValueError, match="Subject is not one line"):
        written(Rendered(f"Probe{line_break}Bcc: c@d.example", "t", "h"))
    with pytest.raises(ValueError, match="To is not one line"):
        written(WORDS, recipient=f"a@b.example{line_break}Bcc: c@d.example")
