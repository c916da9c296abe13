"""Pages of the staff for admins (who works here, invitations, roles, leaving), and the page an invitation leads to."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth.authentication import Identity, requires
from auth.colleague_routes import note_look
from auth.colleague_schemas import InvitationOut
from auth.colleagues import Colleagues, get_colleague, list_colleagues
from auth.errors import Refusal
from auth.invitations import Invitations, list_invitations
from auth.permissions import STAFF_MANAGE
from auth.visits import Visit
from store.web.forms import Text, refused
from store.web.pages import Frame
from store.web.sign_in_pages import TokenForm, beside_field
from store.web.support_pages import SHORTEST_REASON
from store.web.wording import LOCALES

ROLES: Final = ("support", "support_lead", "finance", "editor", "admin")
"""As the forms list them."""


class _RolesForm(msgspec.Struct, frozen=True):
    """Which roles were ticked."""

    support: Text = ""
    support_lead: Text = ""
    finance: Text = ""
    editor: Text = ""
    admin: Text = ""

    @property
    def roles(self) -> list[str]:
        """Their names."""
        return [role for role in ROLES if getattr(self, role)]


class InvitationForm(_RolesForm, frozen=True):
    """Inviting a colleague."""

    email: Text = ""
    locale: Text = "de"


class RolesForm(_RolesForm, frozen=True):
    """Changing somebody's roles."""

    reason: Text = ""


class DepartureForm(msgspec.Struct, frozen=True):
    """Letting somebody go."""

    reason: Text = ""


@get("/staff/colleagues", guards=[requires(STAFF_MANAGE)])
async def show_colleagues(
    frame: NamedDependency[Frame],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[str]:
    """Who works here, who is invited, and the form that invites."""
    await note_look(session, identity, at=real_now, visit=visit)
    return frame.page("staff/colleagues.html", **await _staff(session, at=real_now), form=InvitationForm(), errors={})


async def _staff(session: AsyncSession, *, at: datetime) -> dict[str, Any]:
    return {
        "colleagues": await list_colleagues(session),
        "invitations": [InvitationOut.of(one) for one in await list_invitations(session, at=at)],
        "roles": ROLES,
    }


@post("/staff/invitations", guards=[requires(STAFF_MANAGE)])
async def invite(
    frame: NamedDependency[Frame],
    data: URLEncodedBody[InvitationForm],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    invitations: NamedDependency[Invitations],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Have the link mailed."""
    staff = await _staff(session, at=real_now)
    errors: dict[str, str] = {} if data.roles else {"roles": frame.w.text("colleagues.no_roles")}
    status = 400
    if data.roles:
        locale = data.locale if data.locale in LOCALES else frame.locale
        try:
            await invitations.invite(
                admin=identity, email=data.email, roles=data.roles, locale=locale, at=real_now, visit=visit
            )
        except Refusal as refusal:
            await session.rollback()
            errors, status = beside_field(refusal, frame.locale), refusal.status
    if errors:
        return frame.page("staff/colleagues.html", status=status, **staff, form=data, errors=errors)
    return frame.go("/staff/colleagues", done="invited")


@post("/staff/invitations/{invitation_id:uuid}/withdrawals", guards=[requires(STAFF_MANAGE)])
async def withdraw_invitation(
    frame: NamedDependency[Frame],
    invitation_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    invitations: NamedDependency[Invitations],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Take an invitation back."""
    await invitations.withdraw(admin=identity, invitation_id=invitation_id, at=real_now, visit=visit)
    return frame.go("/staff/colleagues", done="invitation_withdrawn")


@get("/staff/colleagues/{colleague_id:uuid}", guards=[requires(STAFF_MANAGE)])
async def show_colleague(
    frame: NamedDependency[Frame],
    colleague_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    form: FromQuery[str] = "",
    refused: FromQuery[str] = "",
) -> Response[str]:
    """One colleague: roles and leaving; `form` and `refused` are what the page's own forms left in the address."""
    sentence = frame.w.texts.get(f"colleagues.refused_{refused}", "")
    return frame.page(
        "staff/colleague.html",
        colleague=await get_colleague(session, colleague_id=colleague_id),
        is_self=colleague_id == identity.account_id,
        roles=ROLES,
        errors={form: {"reason": sentence}} if sentence else {},
    )


@post("/staff/colleagues/{colleague_id:uuid}/roles", guards=[requires(STAFF_MANAGE)])
async def change_roles(
    frame: NamedDependency[Frame],
    colleague_id: FromPath[UUID],
    data: URLEncodedBody[RolesForm],
    identity: NamedDependency[Identity],
    colleagues: NamedDependency[Colleagues],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Give exactly the ticked roles."""
    reason = data.reason.strip()
    if not data.roles:
        return _back(frame, colleague_id, form="roles", refused="no_roles")
    if len(reason) < SHORTEST_REASON:
        return _back(frame, colleague_id, form="roles", refused="no_reason")
    try:
        await colleagues.change_roles(
            admin=identity, colleague_id=colleague_id, roles=data.roles, reason=reason, at=real_now, visit=visit
        )
    except Refusal as refusal:
        return _back_or_raise(frame, colleague_id, refusal, form="roles")
    return frame.go(f"/staff/colleagues/{colleague_id}", done="roles_changed")


@post("/staff/colleagues/{colleague_id:uuid}/departures", guards=[requires(STAFF_MANAGE)])
async def let_go(
    frame: NamedDependency[Frame],
    colleague_id: FromPath[UUID],
    data: URLEncodedBody[DepartureForm],
    identity: NamedDependency[Identity],
    colleagues: NamedDependency[Colleagues],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Close the account at once."""
    reason = data.reason.strip()
    if len(reason) < SHORTEST_REASON:
        return _back(frame, colleague_id, form="leave", refused="no_reason")
    try:
        await colleagues.let_go(admin=identity, colleague_id=colleague_id, reason=reason, at=real_now, visit=visit)
    except Refusal as refusal:
        return _back_or_raise(frame, colleague_id, refusal, form="leave")
    return frame.go("/staff/colleagues", done="let_go")


def _back_or_raise(frame: Frame, colleague_id: UUID, refusal: Refusal, *, form: str) -> Response[Any]:
    """The refusal beside its form; what has no place there is a page. The use case has rolled back and noted it."""
    if f"colleagues.refused_{refusal.code}" not in frame.w.texts:
        raise refusal
    return _back(frame, colleague_id, form=form, refused=refusal.code)


def _back(frame: Frame, colleague_id: UUID, **left: str) -> Response[Any]:
    return frame.go(frame.url(f"/staff/colleagues/{colleague_id}", **left))


@get("/join")
async def show_join(frame: NamedDependency[Frame]) -> Response[str]:
    """The form that an invitation's link leads to; the token is in the fragment or typed."""
    return frame.page("account/join.html", values={"token": ""}, errors={})


@post("/join")
async def join(
    frame: NamedDependency[Frame],
    data: URLEncodedBody[TokenForm],
    invitations: NamedDependency[Invitations],
    session: NamedDependency[AsyncSession],
    visit: NamedDependency[Visit],
    real_now: NamedDependency[datetime],
) -> Response[Any]:
    """Open the account; the second step is set up at the first sign-in, which comes now."""
    try:
        await invitations.accept(token=data.token.strip(), password=data.password, at=real_now, visit=visit)
    except Refusal as refusal:
        await session.rollback()
        errors = beside_field(refusal, frame.locale)
        return refused(frame, "account/join.html", refusal, values={"token": data.token}, errors=errors)
    return frame.go(frame.url("/sign-in", next=frame.url("/staff")), done="joined")


handlers = [
    show_colleagues,
    invite,
    withdraw_invitation,
    show_colleague,
    change_roles,
    let_go,
    show_join,
    join,
]
