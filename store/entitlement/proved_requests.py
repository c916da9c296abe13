"""Requests that a device signs: which address the proof must name, its one header, and the key behind it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from auth.authentication import Identity, identity_behind, refuse_all_but_customers, session_hash_of
from auth.errors import CrossSiteRequest, CustomersOnly, NotSignedIn
from store.database import Database
from store.entitlement.dpop import Proof, PublicKey, only_one, read_proof, use_once
from store.entitlement.keys import KeySeal
from store.entitlement.licence_errors import ProofInvalid
from store.entitlement.tokens import PlaybackTokens
from store.settings import Settings

AnyRequest = Request[Any, Any, Any]

CUSTOMER = (NotSignedIn, CustomersOnly)
"""Refusals of every route for customers."""

PROVED = (*CUSTOMER, CrossSiteRequest, ProofInvalid)
"""Refusals of every route that wants a device's proof."""


@dataclass(frozen=True, slots=True)
class PlaybackMeans:
    """What heartbeats and licences work with: one call instead of a handful of dependencies, which they can feel.

    `app.state.playback_means()` gives them.
    """

    settings: Settings
    database: Database
    tokens: PlaybackTokens
    seal: KeySeal
    at: datetime
    """Business time."""


def public_url(request: AnyRequest, settings: Settings) -> str:
    """The address that the customer's program asked, as it must stand in a proof."""
    return settings.base_url + str(request.scope["path"])


def proof_headers(request: AnyRequest) -> list[str]:
    """The DPoP headers of a request, of which there should be one."""
    return [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"dpop"]


def proof_header(request: AnyRequest) -> str | None:
    """The one DPoP header of a request; raises `ProofInvalid` where there are several."""
    return only_one(proof_headers(request))


async def signed_in_and_proved(request: AnyRequest, means: PlaybackMeans, *, real_now: datetime) -> tuple[bytes, Proof]:
    """The hash of the session token and the proof of a request whose session is still to be found.

    Raises `NotSignedIn`, `CustomersOnly` or `ProofInvalid`: whether the proof is right is told to customers only.
    """
    session_hash = session_hash_of(request)
    if session_hash is None:
        raise NotSignedIn
    try:
        url = public_url(request, means.settings)
        return session_hash, read_proof(proof_header(request), method=request.method, url=url, real_now=real_now)
    except ProofInvalid:
        identity = await identity_behind(
            means.database, session_hash, at=real_now, default_market=means.settings.default_market
        )
        refuse_all_but_customers(identity.kind if identity is not None else None)
        raise


async def provide_device_key(
    request: AnyRequest,
    identity: NamedDependency[Identity],  # first: without a session no proof is looked at
    settings: NamedDependency[Settings],
    database: NamedDependency[Database],
    real_now: NamedDependency[datetime],
) -> PublicKey:
    """Dependency `device_key`: the key that signed this request's proof, which is used up by that."""
    proof = read_proof(
        proof_header(request), method=request.method, url=public_url(request, settings), real_now=real_now
    )
    await use_once(database, proof)
    return proof.key
