"""Requests that a device signs: which address the proof must name, its one header, and the key behind it."""

from datetime import datetime
from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from auth.authentication import Identity
from auth.errors import CrossSiteRequest, CustomersOnly, NotSignedIn
from store.database import Database
from store.entitlement.dpop import Proof, PublicKey, read_proof, use_once
from store.entitlement.errors import ProofInvalid
from store.settings import Settings

AnyRequest = Request[Any, Any, Any]

CUSTOMER = (NotSignedIn, CustomersOnly)
"""Refusals of every route for customers."""

PROVED = (*CUSTOMER, CrossSiteRequest, ProofInvalid)
"""Refusals of every route that wants a device's proof."""


def public_url(request: AnyRequest, settings: Settings) -> str:
    """The address that the customer's program asked, as it must stand in a proof."""
    return settings.base_url + str(request.scope["path"])


def proof_header(request: AnyRequest) -> str | None:
    """The one DPoP header of a request; raises `ProofInvalid` where there are several (RFC 9449, 4.3)."""
    headers: list[str] = request.headers.getall("dpop", [])
    if len(headers) > 1:
        raise ProofInvalid(reason="there are several proofs")
    return headers[0] if headers else None


async def provide_device_proof(
    request: AnyRequest,
    identity: NamedDependency[Identity],  # first: without a session no proof is looked at
    settings: NamedDependency[Settings],
    real_now: NamedDependency[datetime],
) -> Proof:
    """Dependency `device_proof`: the proof of this request, verified, which is still to be used up."""
    return read_proof(
        proof_header(request), method=request.method, url=public_url(request, settings), real_now=real_now
    )


async def provide_device_key(device_proof: NamedDependency[Proof], database: NamedDependency[Database]) -> PublicKey:
    """Dependency `device_key`: the key that signed this request's proof, which is used up by that."""
    await use_once(database, device_proof)
    return device_proof.key
