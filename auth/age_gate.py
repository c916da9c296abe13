"""The one gate for profiles with an age limit: every route is shut to them unless it says that it is for every age.

What is for every age either shows no title, or reads the titles it shows by the age limit of whoever asks.
"""

from collections.abc import Mapping
from typing import Any, Final

from auth.identity import Identity
from auth.profile_errors import PinRequired

OPEN: Final = "for_every_age"
"""Option of the routes that a profile with an age limit may use."""


def refuse_the_restricted(identity: Identity, route: Mapping[str, Any]) -> None:
    """Raise `PinRequired` where a restricted viewer asks for a route (its options) that is not for every age."""
    if identity.viewer.is_restricted and not route.get(OPEN):
        raise PinRequired(age_limit=identity.viewer.age_limit)
