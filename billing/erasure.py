"""What billing erases of an account, and what makes its erasure wait: money that is still under way.

Orders, payments, refunds, documents and the books stay for as long as the law demands (docs/retention.md): they name
nobody, only the account's id and pseudonym. What was only known about the buyer goes.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_DELAYS: Final = (
    ("open_order", "SELECT count(*) FROM billing.orders WHERE account_id = :account_id AND state = 'open'"),
    (
        "payment_under_way",
        """
        SELECT count(*) FROM billing.payments AS p JOIN billing.orders AS o ON o.id = p.order_id
         WHERE o.account_id = :account_id AND p.state IN ('unknown', 'requires_action', 'processing')
        """,
    ),
    (
        "refund_under_way",
        """
        SELECT count(*) FROM billing.refunds AS r JOIN billing.orders AS o ON o.id = r.order_id
         WHERE o.account_id = :account_id AND (r.state IN ('awaiting_approval', 'requested', 'pending')
            OR r.state IN ('failed', 'canceled')
               AND NOT EXISTS (SELECT FROM billing.refunds AS again WHERE again.replaces_id = r.id))
        """,
    ),
    (
        "dispute_open",
        """
        SELECT count(*) FROM billing.disputes AS d JOIN billing.orders AS o ON o.id = d.order_id
         WHERE o.account_id = :account_id AND d.state IN ('inquiry', 'open')
        """,
    ),
    (
        "withdrawal_open",
        """
        SELECT count(*) FROM billing.withdrawal_declarations
         WHERE email_key = :email_key AND state IN ('received', 'open')
        """,
    ),
)
"""Codes and the rows that make an erasure wait: each of them may still need the customer's address."""

_DECLARATIONS: Final = "DELETE FROM billing.withdrawal_declarations WHERE email_key = :email_key RETURNING id"

_ROWS: Final = (
    "DELETE FROM billing.idempotent_answers WHERE account_id = :account_id",
    "DELETE FROM billing.payment_tries WHERE account_id = :account_id",
    """
    DELETE FROM billing.quotes AS q WHERE account_id = :account_id
       AND NOT EXISTS (SELECT FROM billing.orders AS o WHERE o.quote_id = q.id)
    """,
    "UPDATE billing.quotes SET device_id = NULL, device_fit = NULL WHERE account_id = :account_id",
    "UPDATE billing.orders SET client_address = NULL WHERE account_id = :account_id",
    """
    UPDATE billing.payments SET address_key = NULL, device_id = NULL
     WHERE order_id IN (SELECT id FROM billing.orders WHERE account_id = :account_id)
    """,
    """
    UPDATE billing.gifts SET reason = ''
     WHERE order_id IN (SELECT id FROM billing.orders WHERE account_id = :account_id)
    """,
    """
    UPDATE billing.refunds SET note = NULL
     WHERE order_id IN (SELECT id FROM billing.orders WHERE account_id = :account_id)
    """,
)


async def why_not_yet(session: AsyncSession, *, account_id: UUID, email_key: str | None) -> str | None:
    """The code of what the erasure has to wait for; None where nothing is under way."""
    facts = {"account_id": account_id, "email_key": email_key}
    for code, statement in _DELAYS:
        if await session.scalar(text(statement), facts):
            return code
    return None


async def erase_buyer(session: AsyncSession, *, account_id: UUID, email_key: str | None) -> Sequence[UUID]:
    """Erase what no law demands to keep of a buyer; answers the ids of the declarations of withdrawal among it."""
    declarations = (await session.scalars(text(_DECLARATIONS), {"email_key": email_key})).all()
    for statement in _ROWS:
        await session.execute(text(statement), {"account_id": account_id})
    return declarations
