"""The API of the staff, for admins: who works here, invitations, roles, leaving."""

from datetime import datetime
from uuid import UUID

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from auth import audit
from auth.authentication import Identity, requires
from auth.colleague_schemas import (
    ColleagueOut,
    DepartureCreate,
    InvitationAcceptanceCreate,
    InvitationCreate,
    InvitationOut,
    RolesChange,
    StaffOut,
)
from auth.colleagues import Colleagues, list_colleagues
from auth.errors import (
    ColleagueNotFound,
    CrossSiteRequest,
    EmailAddressInvalid,
    EmailAddressTaken,
    InvitationNotFound,
    LastAdmin,
    LinkNotValid,
    NotPermitted,
    NotSignedIn,
    Overloaded,
    OwnAccount,
    PasswordRefused,
    TooManyAttempts,
)
from auth.invitations import Invitations, list_invitations
from auth.permissions import STAFF_MANAGE
from auth.schemas import problems
from auth.visits import Visit


@get(
    "/staff/colleagues",
    summary="List the staff and who is invited",
    tags=["Staff"],
    guards=[requires(STAFF_MANAGE)],
    responses=problems(NotSignedIn, NotPermitted),
)
async def show_staff(
    identity: NamedDependency[Identity],
    session: NamedDependency[AsyncSession],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> StaffOut:
    """All who work here by their address, with their roles; and open invitations. Looking is on record."""
    await note_look(session, identity, at=real_now, visit=visit)
    return StaffOut(
        [ColleagueOut.of(one) for one in await list_colleagues(session)],
        [InvitationOut.of(one) for one in await list_invitations(session, at=real_now)],
    )


async def note_look(session: AsyncSession, admin: Identity, *, at: datetime, visit: Visit) -> None:
    """Put on record that somebody looked at the list of the staff."""
    await audit.record(
        session,
        at=at,
        actor=admin,
        action="staff.viewed",
        target_kind="console",
        target_id="colleagues",
        request_id=visit.request_id,
        ip=visit.ip,
    )


@post(
    "/staff/invitations",
    summary="Invite a colleague",
    tags=["Staff"],
    guards=[requires(STAFF_MANAGE)],
    responses=problems(NotSignedIn, NotPermitted, EmailAddressInvalid, CrossSiteRequest),
)
async def invite(
    data: JSONBody[InvitationCreate],
    identity: NamedDependency[Identity],
    invitations: NamedDependency[Invitations],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> InvitationOut:
    """Have a link mailed that lets somebody set a password; a second factor follows at the first sign-in."""
    made = await invitations.invite(
        admin=identity, email=data.email, roles=data.roles, locale=data.locale, at=real_now, visit=visit
    )
    return InvitationOut.of(made)


@delete(
    "/staff/invitations/{invitation_id:uuid}",
    summary="Take an invitation back",
    tags=["Staff"],
    guards=[requires(STAFF_MANAGE)],
    responses=problems(NotSignedIn, NotPermitted, InvitationNotFound, CrossSiteRequest),
)
async def withdraw_invitation(
    invitation_id: FromPath[UUID],
    identity: NamedDependency[Identity],
    invitations: NamedDependency[Invitations],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Its link is void at once."""
    await invitations.withdraw(admin=identity, invitation_id=invitation_id, at=real_now, visit=visit)


@post(
    "/staff-invitation-acceptances",
    status_code=204,
    summary="Accept an invitation",
    tags=["Staff"],
    responses=problems(LinkNotValid, PasswordRefused, EmailAddressTaken, CrossSiteRequest, TooManyAttempts, Overloaded),
)
async def accept_invitation(
    data: JSONBody[InvitationAcceptanceCreate],
    invitations: NamedDependency[Invitations],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Open the account under a password of one's own. A refused password leaves the link usable."""
    await invitations.accept(token=data.token, password=data.password, at=real_now, visit=visit)


@put(
    "/staff/colleagues/{colleague_id:uuid}/roles",
    summary="Change somebody's roles",
    tags=["Staff"],
    guards=[requires(STAFF_MANAGE)],
    responses=problems(NotSignedIn, NotPermitted, ColleagueNotFound, OwnAccount, LastAdmin, CrossSiteRequest),
)
async def change_roles(
    colleague_id: FromPath[UUID],
    data: JSONBody[RolesChange],
    identity: NamedDependency[Identity],
    colleagues: NamedDependency[Colleagues],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> ColleagueOut:
    """Give exactly these roles. The person is signed out everywhere, so that the change counts at once."""
    changed = await colleagues.change_roles(
        admin=identity,
        colleague_id=colleague_id,
        roles=data.roles,
        reason=data.reason,
        at=real_now,
        visit=visit,
    )
    return ColleagueOut.of(changed)


@post(
    "/staff/colleagues/{colleague_id:uuid}/departures",
    status_code=204,
    summary="Let somebody go",
    tags=["Staff"],
    guards=[requires(STAFF_MANAGE)],
    responses=problems(NotSignedIn, NotPermitted, ColleagueNotFound, OwnAccount, LastAdmin, CrossSiteRequest),
)
async def let_go(
    colleague_id: FromPath[UUID],
    data: JSONBody[DepartureCreate],
    identity: NamedDependency[Identity],
    colleagues: NamedDependency[Colleagues],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> None:
    """Close the account and end its sessions at once."""
    await colleagues.let_go(admin=identity, colleague_id=colleague_id, reason=data.reason, at=real_now, visit=visit)


handlers = [
    show_staff,
    invite,
    withdraw_invitation,
    accept_invitation,
    change_roles,
    let_go,
]
