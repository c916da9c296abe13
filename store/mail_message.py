"""A mail as it goes over the wire: headers, and text and HTML as two alternatives."""

from binascii import b2a_qp
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr
from functools import cache
from uuid import UUID

from store.letter_templates import Rendered


@cache
def read_sender(sender: str) -> tuple[str, str]:
    """Name and address of a sender, as the settings say it: `Videothek <kino@videothek.example>`."""
    return parseaddr(sender)


def write_message(words: Rendered, *, mail_id: UUID, sender: str, recipient: str, locale: str, at: datetime) -> bytes:
    """A mail in ASCII lines that end in CRLF; raises `ValueError` where a header would hold two lines.

    The standard library's message classes read every header and every line that they are given, which is a third of
    what a mail costs. The encodings are the library's.
    """
    name, address = read_sender(sender)
    # No quoted-printable text holds a line that begins so (RFC 2045, 6.7).
    boundary = f"=_{mail_id.hex}"
    headers = {
        "From": sender if sender.isascii() else formataddr((name, address)),
        "To": recipient,
        "Subject": words.subject,
        "Date": format_datetime(at.astimezone(UTC)),
        "Message-ID": f"<{mail_id}@{address.rpartition('@')[2]}>",
        "Auto-Submitted": "auto-generated",
        "Content-Language": locale,
        "MIME-Version": "1.0",
    }
    for header, value in headers.items():
        if len(value.splitlines()) != 1:
            raise ValueError(f"{header} is not one line")
    charset = "us-ascii" if words.subject.isascii() else "utf-8"
    headers["Subject"] = Header(words.subject, charset, header_name="Subject").encode(linesep="\r\n")
    head = [f"{header}: {value}".encode("ascii") for header, value in headers.items()]
    head.append(f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"'.encode("ascii"))
    limit = f"--{boundary}".encode("ascii")
    lines = [*head, b"", limit, *_part(words.text, "plain"), limit, *_part(words.html, "html"), limit + b"--", b""]
    return b"\r\n".join(lines)


def _part(text: str, kind: str) -> list[bytes]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return [
        f'Content-Type: text/{kind}; charset="utf-8"'.encode("ascii"),
        b"Content-Transfer-Encoding: quoted-printable",
        b"",
        b2a_qp(lines.encode(), istext=True).replace(b"\n", b"\r\n"),
    ]
