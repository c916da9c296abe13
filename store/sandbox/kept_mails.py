"""Mails that the catcher has kept: one .eml file each, read back for the viewer."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as policy
from pathlib import Path
from uuid import uuid4

NAME = re.compile(r"[0-9]{20}-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail as the viewer shows it."""

    name: str
    """Name of its file, without the ending."""
    caught_at: datetime
    recipient: str
    sender: str
    subject: str
    message_id: str
    text: str
    html: str
    """Empty where the mail has no HTML part."""

    @property
    def links(self) -> list[str]:
        """Addresses in the text part, in their order, each once."""
        return list(dict.fromkeys(re.findall(r"https?://[^\s<>\"]+", self.text)))


def keep(folder: Path, content: bytes, *, at: datetime) -> str:
    """Keep a mail as a file; gives its name. Names sort by time."""
    name = f"{int(at.timestamp() * 1_000_000):020d}-{uuid4().hex}"
    unfinished = folder / f"{name}.new"
    unfinished.write_bytes(content)
    unfinished.rename(folder / f"{name}.eml")
    return name


def names_of(folder: Path) -> list[str]:
    """Names of all mails, the newest first."""
    return sorted((path.stem for path in folder.glob("*.eml")), reverse=True)


def read_mail(folder: Path, name: str) -> KeptMail | None:
    """The mail of that name; None if there is none."""
    path = folder / f"{name}.eml"
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    message = message_from_bytes(path.read_bytes(), policy=policy)
    return KeptMail(
        name=name,
        caught_at=datetime.fromtimestamp(int(name.partition("-")[0]) / 1_000_000, UTC),
        recipient=str(message.get("To", "")),
        sender=str(message.get("From", "")),
        subject=str(message.get("Subject", "")),
        message_id=str(message.get("Message-ID", "")),
        text=_part(message, "plain"),
        html=_part(message, "html"),
    )


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    content = body.get_content() if body is not None else ""
    return content if isinstance(content, str) else ""
