"""Turns the most of a flood of sign-ins away before anything of them is read: a refusal must cost next to nothing."""

from litestar.types import ASGIApp, Receive, Scope, Send

from auth.passwords import PasswordHasher
from auth.ports import AuthSettings


def entrance(app: ASGIApp) -> ASGIApp:
    """Middleware of the routes that hash for strangers: `Overloaded` while many more are in than can be served soon.

    A browser that brings a device's cookie is let in, for it may be known; if it is not, it gets no reserved place.
    """

    async def let_in(scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["litestar_app"].state
        hasher: PasswordHasher = state.hasher
        settings: AuthSettings = state.settings
        device = f"{settings.device_cookie}=".encode()
        if any(name == b"cookie" and device in value for name, value in scope["headers"]):
            await app(scope, receive, send)
            return
        with hasher.entrance():
            await app(scope, receive, send)

    return let_in
