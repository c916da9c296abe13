"""The web process of the sandbox: the store with a clock that can be moved."""

import os

from litestar import Litestar

import store.app
from store.sandbox import authenticator, clock
from store.settings import Settings
from store.web.routes import page_routers


def create_app() -> Litestar:
    """The application on the settings of the environment, which must be a sandbox's."""
    settings = sandbox_settings()
    movable = clock.MovableClock(settings.database_url)
    app = store.app.create_app(
        settings, clock=movable, extra_routes=[*clock.API, *page_routers([*clock.PAGES, *authenticator.PAGES])]
    )
    app.on_shutdown.append(movable.close)
    return app


def sandbox_settings() -> Settings:
    """The settings of the environment; raises `RuntimeError` unless they are a sandbox's."""
    settings = Settings.from_env(os.environ)
    if settings.mode != "sandbox":
        raise RuntimeError("VIDEOTHEK_MODE is not sandbox: production has no clock that can be moved.")
    return settings
