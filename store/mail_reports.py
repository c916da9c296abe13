"""What mail servers report after they took a mail: read from their messages (RFC 3464, RFC 5965) and from events."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses
from typing import Final, Literal
from uuid import UUID

import msgspec

Kind = Literal["bounced", "delayed", "complained"]

LARGEST_MESSAGE: Final = 1_048_576
"""Bytes of a report that are read; what comes later is the mail that it returns."""

LONGEST_REASON: Final = 200
"""Characters that are kept of what a server said."""

_ID: Final = re.compile(r"(?:\+|<)([0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12})@", re.IGNORECASE)
"""A mail's id in a Message-ID of ours, or in the address that it is returned to."""

_ENHANCED: Final = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
"""An enhanced status (RFC 3463)."""

_REPLY: Final = re.compile(r"(?<![\d.])(5\d\d)(?![\d.])")
"""An SMTP reply that refuses for good."""

_ADDRESS: Final = re.compile(r"[^\s<>\"',;:()]+@[^\s<>\"',;()]+")

_NO_MAILBOX: Final = ("550", "551", "553")
"""Replies that speak of the recipient where no enhanced status says more (RFC 5321, 4.2.3)."""

_RETURN_HEADERS: Final = ("To", "Delivered-To", "X-Original-To", "Original-Mail-From", "Return-Path")
"""Where the address stands that a report was returned to."""


@dataclass(frozen=True, slots=True)
class Report:
    """One fact about one mail."""

    kind: Kind
    mail_id: UUID | None
    """None: it names no mail of ours."""
    recipient: str | None = None
    """Whom the server speaks of; not always the address that was written to, for mails are forwarded."""
    reason: str = ""
    """The server's words: one line, without addresses."""
    is_permanent: bool = False
    """Whether it says that there is no such mailbox, and not that it is full or that the mail was disliked."""


class MailEventData(msgspec.Struct, frozen=True):
    """Which mail, and what its server said."""

    message_id: str = ""
    """As sent: `<…@…>`."""
    recipient: str | None = None
    status: str = ""
    """Enhanced status code (RFC 3463), such as `5.1.1`."""
    diagnosis: str = ""
    """The server's words."""
    permanent: bool | None = None
    """Whether the provider calls the bounce permanent; without it, status and diagnosis decide."""


class MailEvent(msgspec.Struct, frozen=True):
    """An event of a mail provider in the neutral form."""

    type: Literal["mail.bounced", "mail.delayed", "mail.complained"]
    data: MailEventData


def read_event(event: MailEvent) -> Report:
    """The report that an event holds."""
    kinds: dict[str, Kind] = {
        "mail.bounced": "bounced",
        "mail.delayed": "delayed",
        "mail.complained": "complained",
    }
    kind, data = kinds[event.type], event.data
    said = " ".join(filter(None, (data.status, data.diagnosis)))
    permanent = says_no_mailbox(data.status, data.diagnosis) if data.permanent is None else data.permanent
    return Report(
        kind=kind,
        mail_id=_id_in(data.message_id),
        recipient=data.recipient,
        reason=clean(said if data.status not in data.diagnosis else data.diagnosis),
        is_permanent=kind == "bounced" and permanent,
    )


def read_message(content: bytes, *, returned_to: str | None = None) -> Report | None:
    """The report that a mail to the return address holds; None if it is none, or speaks of a mail that arrived.

    `returned_to` is the envelope's recipient, where the mail server tells it. Nothing in it is believed but by the
    id of a mail, which only who transported or got that mail can know. No content makes it fail.
    """
    try:
        message = message_from_bytes(content[:LARGEST_MESSAGE])
        if message.get_content_type() != "multipart/report":
            return None
        parts = {part.get_content_type(): part for part in reversed(list(message.walk()))}
        return _read(message, parts, returned_to)
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        # The library's parser is lenient, but not with everything.
        return None


def _read(message: Message, parts: dict[str, Message], returned_to: str | None) -> Report | None:
    feedback, status = parts.get("message/feedback-report"), parts.get("message/delivery-status")
    if feedback is not None:
        fields = next(_blocks(feedback), Message())
        mail_id = _mail_of(message, fields, parts, returned_to)
        # Other types of feedback (`not-spam`, `virus`, …) are no complaint.
        is_complaint = _text(fields, "Feedback-Type").lower() in ("abuse", "fraud")
        recipient = _mailbox(_text(fields, "Original-Rcpt-To"))
        return Report("complained", mail_id, recipient) if is_complaint else None
    if status is None:
        return None
    about_message, *about_recipients = _blocks(status)
    mail_id = _mail_of(message, about_message, parts, returned_to)
    reports = [_of_recipient(fields, mail_id) for fields in about_recipients]
    told = [report for report in reports if report is not None]
    # A mail of ours has one recipient; a server that expands it to several may have failed for one of them only.
    return next((report for report in told if report.kind == "bounced"), told[0] if told else None)


def _of_recipient(fields: Message, mail_id: UUID | None) -> Report | None:
    action = _text(fields, "Action").lower()
    if action not in ("failed", "delayed"):
        return None
    status, words = _text(fields, "Status"), _after_type(_text(fields, "Diagnostic-Code"))
    recipient = _text(fields, "Original-Recipient") or _text(fields, "Final-Recipient")
    is_failed = action == "failed"
    return Report(
        kind="bounced" if is_failed else "delayed",
        mail_id=mail_id,
        recipient=_mailbox(_after_type(recipient)),
        reason=clean(words or status),
        is_permanent=is_failed and says_no_mailbox(status, words),
    )


def says_no_mailbox(status: str, words: str) -> bool:
    """Whether a server says for good that there is no such mailbox.

    The most telling enhanced status decides: servers write `5.0.0` into the field and the true one into their words.
    """
    codes = [found.groups() for found in _ENHANCED.finditer(f"{status} {words}")]
    told = next((code for code in codes if code[1] != "0"), codes[0] if codes else None)
    if told is not None and told[1] != "0":
        return told[0] == "5" and told[1] == "1"
    if told is not None and told[0] != "5":
        return False
    reply = _REPLY.search(words)
    return reply is not None and reply[1] in _NO_MAILBOX


def clean(words: str) -> str:
    """A server's words as they are kept: one line of printable characters, bounded, and without addresses."""
    line = " ".join("".join(one if one.isprintable() else " " for one in words).split())
    return _ADDRESS.sub("•••@•••", line)[:LONGEST_REASON].rstrip()


def _mail_of(message: Message, fields: Message, parts: dict[str, Message], returned_to: str | None) -> UUID | None:
    """The mail that a report is about: by the address that it was returned to, else by the Message-ID in it."""
    returned = [value for part in (message, fields) for name in _RETURN_HEADERS for value in _all(part, name)]
    for address in (returned_to or "", *(address for _, address in getaddresses(returned))):
        if (found := _id_in(address)) is not None:
            return found
    original = parts.get("message/rfc822")
    if original is not None and original.is_multipart():
        return _id_in(_text(original.get_payload(0), "Message-ID"))  # type: ignore[arg-type]
    headers = parts.get("text/rfc822-headers")
    if headers is not None:
        decoded = headers.get_payload(decode=True)
        return _id_in(_text(message_from_bytes(decoded if isinstance(decoded, bytes) else b""), "Message-ID"))
    return None


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields that a machine-readable part consists of."""
    payload = part.get_payload()
    if isinstance(payload, list):
        yield from (block for block in payload if isinstance(block, Message))
        return
    decoded = part.get_payload(decode=True)
    for text in re.split(rb"\r?\n[ \t]*\r?\n", decoded if isinstance(decoded, bytes) else b""):
        if text.strip():
            yield message_from_bytes(text.lstrip())


def _all(part: Message, name: str) -> list[str]:
    return [str(value) for value in part.get_all(name, [])]


def _text(part: Message, name: str) -> str:
    return str(part.get(name, "")).strip()


def _after_type(field: str) -> str:
    """A field's value without the type before it: `rfc822; anna@…`, `smtp; 550 …`."""
    kind, separator, value = field.partition(";")
    return value.strip() if separator and kind.strip().replace("-", "").isalnum() else field


def _mailbox(text: str) -> str | None:
    return text.strip().strip("<>") or None


def _id_in(text: str) -> UUID | None:
    found = _ID.search(text if "<" in text or "+" in text else f"<{text}")
    return UUID(found[1]) if found else None
