"""Roles as sets of permissions: deny by default, several roles per member of staff."""

from collections.abc import Mapping
from functools import cache
from typing import Final

CUSTOMER_READ: Final = "customer.read"
"""Find a customer by exact address or order number; see profile, orders, rights, devices, mails."""
PASSWORD_RESET_START: Final = "customer.password_reset.start"  # noqa: S105 - the name of a permission
"""Have a reset link mailed to a customer; never see it."""
CALLER_VERIFY: Final = "customer.caller.verify"
"""Have a customer shown a code, and check what a caller reads out; never see it."""
CASE_HANDLE: Final = "customer.case.handle"
"""See what customers report, answer it, note it, close it."""
RECOVERY_REQUEST: Final = "customer.recovery.request"
"""Ask for another address of a customer, or for the removal of second factors."""
RECOVERY_APPROVE: Final = "customer.recovery.approve"
"""Agree to what somebody else asked for, or reject it."""
ACCOUNT_SECURE: Final = "customer.account.secure"
"""Void a customer's password and end every session, where a takeover is reported."""
SESSIONS_END: Final = "customer.sessions.end"
"""Sign a customer out everywhere."""
DEVICES_REMOVE: Final = "customer.devices.remove"
"""Remove a customer's device."""
RENTAL_REMEDY: Final = "customer.rental.remedy"
"""Give a customer's rental more time, or let it begin anew, within limits."""
FILM_GIVE: Final = "customer.film.give"
"""Give a customer a film without a price, within limits."""
INCIDENT_COMPENSATE: Final = "incident.compensate"
"""Make an incident good for everybody whom it met."""
REFUND_REQUEST: Final = "finance.refund.request"
"""Ask for a refund."""
REFUND_APPROVE: Final = "finance.refund.approve"
"""Approve a refund that someone else asked for."""
TRANSACTIONS_READ: Final = "finance.transactions.read"
"""See transactions; orders by number and pseudonym, no names or addresses."""
TRANSACTIONS_EXPORT: Final = "finance.transactions.export"
"""Download transactions of a period."""
MOVEMENTS_ACKNOWLEDGE: Final = "finance.movements.acknowledge"
"""Book a movement at the payment provider that is none of ours."""
CATALOGUE_EDIT: Final = "catalogue.edit"
"""Change titles, texts and offers."""
STAFF_MANAGE: Final = "staff.manage"
"""Create staff accounts and give them roles."""
AUDIT_READ: Final = "audit.read"
"""Read the audit trail."""
WORK_REPLAY: Final = "work.replay"
"""Have parked work done once more: an event of the payment provider, or a job that failed too often."""

_SUPPORT: Final = frozenset(
    {
        CUSTOMER_READ,
        CALLER_VERIFY,
        CASE_HANDLE,
        RECOVERY_REQUEST,
        PASSWORD_RESET_START,
        ACCOUNT_SECURE,
        SESSIONS_END,
        DEVICES_REMOVE,
        RENTAL_REMEDY,
        FILM_GIVE,
        REFUND_REQUEST,
    }
)

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "customer": frozenset(),
    "support": _SUPPORT,
    "support_lead": _SUPPORT | {INCIDENT_COMPENSATE, RECOVERY_APPROVE, REFUND_APPROVE, AUDIT_READ, WORK_REPLAY},
    "finance": frozenset({TRANSACTIONS_READ, TRANSACTIONS_EXPORT, REFUND_APPROVE, MOVEMENTS_ACKNOWLEDGE}),
    "editor": frozenset({CATALOGUE_EDIT}),
    "admin": frozenset({STAFF_MANAGE, AUDIT_READ, WORK_REPLAY}),
}
"""What each role may do. Customers act on their own things only, which needs no permission."""

STAFF_ROLES: Final = frozenset(ROLES) - {"customer"}


@cache
def permissions_of(roles: frozenset[str]) -> frozenset[str]:
    """Everything that the roles together allow; an unknown role allows nothing."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))
