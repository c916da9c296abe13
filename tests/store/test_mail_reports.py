"""Reports about mails are read as servers write them; nothing else is taken for one, and no content makes it fail."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.ids import new_id
from store.mail_reports import (
    LONGEST_REASON,
    MailEvent,
    MailEventData,
    clean,
    read_event,
    read_message,
    says_no_mailbox,
)
from tests.store.mail_messages import a_complaint, a_delivery_status

MAIL_ID = UUID("01a216b6-6a09-70d5-aeed-c1b33e6a7e4d")


@pytest.mark.parametrize("returned", ["text/rfc822-headers", "message/rfc822"])
def test_a_delivery_status_names_its_mail_by_the_message_id_that_it_returns(returned: str) -> None:
    report = read_message(a_delivery_status(MAIL_ID, returned=returned))
    assert report is not None
    assert (report.kind, report.mail_id, report.recipient) == ("bounced", MAIL_ID, "anna@beispiel.example")
    assert (report.reason, report.is_permanent) == ("550 5.1.1 <•••@•••>: user unknown", True)


@pytest.mark.parametrize("told_by", ["header", "pipe"])
def test_the_address_that_it_was_returned_to_is_enough_and_goes_before_what_is_in_it(told_by: str) -> None:
    address = f"bounces+{MAIL_ID.hex}@videothek.example"
    content = a_delivery_status(None if told_by == "header" else new_id(), to=address if told_by == "header" else "x@y")
    report = read_message(content, returned_to=address if told_by == "pipe" else None)
    assert report is not None
    assert report.mail_id == MAIL_ID


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        ("5.1.1", "550 user unknown", True),
        ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound", True),
        ("5.0.0", "550-5.1.1 The email account that you tried to reach does not exist", True),
        ("5.0.0", "550 no such mailbox", True),
        ("", "550 no such mailbox", True),
        ("", "551 moved away", True),
        ("5.2.2", "552 5.2.2 mailbox full", False),
        ("5.7.1", "550 5.7.1 blocked by policy", False),
        ("5.0.0", "550 5.7.1 blocked by policy", False),
        ("5.0.0", "554 spam", False),
        ("4.4.7", "message expired after 5 days", False),
        ("4.1.1", "450 4.1.1 greylisted", False),
        ("4.0.0", "550 said somebody", False),
        ("5.0.0", "", False),
        ("", "", False),
    ],
)
def test_only_a_mailbox_that_is_not_there_is_permanent(status: str, words: str, expected: bool) -> None:
    assert says_no_mailbox(status, words) is expected
    report = read_message(a_delivery_status(MAIL_ID, status=status, diagnosis=words))
    assert report is not None
    assert (report.kind, report.is_permanent) == ("bounced", expected)
    event = MailEvent("mail.bounced", MailEventData(message_id=f"<{MAIL_ID}@x>", status=status, diagnosis=words))
    assert read_event(event).is_permanent is expected


def test_a_delay_is_no_bounce_and_an_arrival_no_report() -> None:
    delayed = read_message(a_delivery_status(MAIL_ID, action="delayed", status="4.2.2", diagnosis="452 mailbox full"))
    assert delayed is not None
    assert (delayed.kind, delayed.reason, delayed.is_permanent) == ("delayed", "452 mailbox full", False)
    for action in ("delivered", "relayed", "expanded", ""):
        assert read_message(a_delivery_status(MAIL_ID, action=action, status="2.0.0")) is None


def test_a_complaint_is_one_and_its_opposite_is_none() -> None:
    for feedback in ("abuse", "Fraud"):
        report = read_message(a_complaint(MAIL_ID, feedback=feedback))
        assert report is not None
        assert (report.kind, report.mail_id, report.recipient) == ("complained", MAIL_ID, "anna@beispiel.example")
    for feedback in ("not-spam", "virus", "other", ""):
        assert read_message(a_complaint(MAIL_ID, feedback=feedback)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: out of office\n\nI am away.",
        b"Content-Type: multipart/report\n\n",
        b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n--b--",
        b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n\n--b--",
        b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n\n--b--",
        a_delivery_status(MAIL_ID).replace(b"multipart/report", b"multipart/mixed"),
        b"".join(b"Content-Type: multipart/report; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000)),
    ],
)
def test_what_is_no_report_is_none(content: bytes) -> None:
    assert read_message(content) is None


@given(st.binary(max_size=300))
def test_no_bytes_in_any_part_make_it_fail(junk: bytes) -> None:
    read_message(junk)
    whole = a_delivery_status(MAIL_ID)
    for place in (b"rfc822; anna", b"550 5.1.1", b"failed", b"5.1.1", b"us-ascii", b"Message-ID:", b"boundary="):
        read_message(whole.replace(place, place + junk))
        read_message(whole.replace(place, junk))


@given(st.text(max_size=600))
def test_a_servers_words_are_kept_as_one_bounded_line_without_addresses(words: str) -> None:
    kept = clean(f"{words} <anna@beispiel.example> {words}")
    assert len(kept) <= LONGEST_REASON
    assert kept.isprintable()
    assert "anna@" not in kept


@pytest.mark.parametrize("said", [True, False])
def test_a_provider_that_knows_better_decides_what_is_permanent(said: bool) -> None:
    data = MailEventData(message_id=f"<{MAIL_ID}@videothek.example>", status="5.1.1", diagnosis="x", permanent=said)
    assert read_event(MailEvent("mail.bounced", data)).is_permanent is said
    assert read_event(MailEvent("mail.complained", data)).is_permanent is False


@pytest.mark.parametrize("text", ["", "<>", "<x@y>", "0199", f"<{MAIL_ID}", f"{str(MAIL_ID)[:-1]}@x", "\ud800<@"])
def test_what_is_no_id_of_ours_names_no_mail(text: str) -> None:
    assert read_event(MailEvent("mail.bounced", MailEventData(message_id=text))).mail_id is None


@pytest.mark.parametrize("text", ["<{}@videothek.example>", "{}@videothek.example", " <{}@VIDEOTHEK.example> "])
def test_a_message_id_is_known_with_and_without_its_brackets(text: str) -> None:
    for written in (str(MAIL_ID), str(MAIL_ID).upper(), MAIL_ID.hex):
        event = MailEvent("mail.bounced", MailEventData(message_id=text.format(written)))
        assert read_event(event).mail_id == UUID(written)
