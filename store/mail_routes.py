"""The customer's view of their mails as an API: whether they arrive, and to try again."""

from datetime import datetime

from litestar import Router, get, post
from litestar.di import NamedDependency

from auth.authentication import Identity, customer_only
from auth.errors import CrossSiteRequest, CustomersOnly, NotSignedIn, TooManyAttempts
from auth.schemas import Accepted, problems
from auth.visits import Visit
from store.mail_delivery import MailDeliveries, MailDelivery


@get(
    "/mail-delivery",
    summary="Do mails reach me?",
    guards=[customer_only],
    responses=problems(NotSignedIn, CustomersOnly),
)
async def show_mail_delivery(
    identity: NamedDependency[Identity], mail_deliveries: NamedDependency[MailDeliveries]
) -> MailDelivery:
    """Whether mails to the own address fail, since when, and what the mail server said."""
    return await mail_deliveries.of(identity.account_id)


@post(
    "/mail-checks",
    status_code=202,
    summary="Try to write to me again",
    guards=[customer_only],
    responses=problems(NotSignedIn, CustomersOnly, CrossSiteRequest, TooManyAttempts),
)
async def check_mail(
    identity: NamedDependency[Identity],
    mail_deliveries: NamedDependency[MailDeliveries],
    real_now: NamedDependency[datetime],
    visit: NamedDependency[Visit],
) -> Accepted:
    """Have a mail sent that shows whether mails arrive; from then on none is left out any more. Three times a day."""
    await mail_deliveries.check(identity=identity, at=real_now, visit=visit)
    return Accepted()


router = Router("/v1", route_handlers=[show_mail_delivery, check_mail], tags=["Account"])
