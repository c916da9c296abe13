"""Reports as mail servers write them, about a mail of ours: the facts of each are set by the test."""

from uuid import UUID

DELIVERY_STATUS = """\
From: MAILER-DAEMON@mx.beispiel.example (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.beispiel.example
Arrival-Date: Thu, 26 Nov 2026 09:00:00 +0000

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mail.beispiel.example
Diagnostic-Code: smtp; {diagnosis}

--b1
Content-Type: {returned}

{headers}

--b1--
"""

HEADERS = """\
Return-Path: <kino@videothek.example>
From: Videothek <kino@videothek.example>
To: {recipient}
Message-ID: <{mail_id}@videothek.example>
Subject: Ihr neues Passwort"""

COMPLAINT = """\
From: <complaints@provider.example>
To: <{to}>
Subject: Email Feedback Report
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b2"

--b2
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report.

--b2
Content-Type: message/feedback-report

Feedback-Type: {feedback}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <kino@videothek.example>
Original-Rcpt-To: <{recipient}>

--b2
Content-Type: message/rfc822

{headers}

Text.
--b2--
"""


def a_delivery_status(
    mail_id: UUID | None,
    *,
    recipient: str = "anna@beispiel.example",
    action: str = "failed",
    status: str = "5.1.1",
    diagnosis: str = "550 5.1.1 <anna@beispiel.example>: user unknown",
    to: str = "kino@videothek.example",
    returned: str = "text/rfc822-headers",
) -> bytes:
    """A delivery status notification (RFC 3464)."""
    headers = HEADERS.format(recipient=recipient, mail_id=mail_id) if mail_id else "Subject: nichts"
    return DELIVERY_STATUS.format(
        to=to,
        recipient=recipient,
        action=action,
        status=status,
        diagnosis=diagnosis,
        returned=returned,
        headers=headers,
    ).encode()


def a_complaint(
    mail_id: UUID,
    *,
    recipient: str = "anna@beispiel.example",
    feedback: str = "abuse",
    to: str = "kino@videothek.example",
) -> bytes:
    """A report of the abuse reporting format (RFC 5965)."""
    headers = HEADERS.format(recipient=recipient, mail_id=mail_id)
    return COMPLAINT.format(to=to, recipient=recipient, feedback=feedback, headers=headers).encode()
