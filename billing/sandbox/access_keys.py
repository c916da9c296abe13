"""Who calls: the server with its secret key, or a customer's browser with the publishable one."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

from billing.sandbox.calls import Endpoint
from billing.sandbox.configuration import Configuration
from billing.sandbox.errors import unauthorised
from billing.sandbox.object_store import ObjectStore


def is_customer(authorization: str, key_parameter: str | None, configuration: Configuration) -> bool:
    """False for the secret key, True for the publishable one; 401 for no key and for any other.

    Stripe.js and the apps send the publishable key as the parameter `key`; a secret key never comes that way.
    """
    key = _key_in_header(authorization) or key_parameter
    if not key:
        raise unauthorised(
            "You did not provide an API key. You need to provide your API key in the Authorization header,"
            " using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if hmac.compare_digest(key.encode(), configuration.publishable_key.encode()):
        return True
    if key_parameter is None and hmac.compare_digest(key.encode(), configuration.secret_key.encode()):
        return False
    raise unauthorised(f"Invalid API Key provided: {key[:7]}{'*' * 8}")


def check_customer_may(endpoint: Endpoint, target: str, parameters: Mapping[str, Any], objects: ObjectStore) -> None:
    """401 unless the address is made for customers and the client secret is that of the object itself."""
    if not endpoint.for_customers:
        raise unauthorised("This API call cannot be made with a publishable API key. Please use a secret API key.")
    document = objects.find(target)
    expected = document and document.get("client_secret")
    given = parameters.get("client_secret")
    if not expected or not isinstance(given, str) or not hmac.compare_digest(given.encode(), expected.encode()):
        raise unauthorised("The client_secret does not match the object that was asked for.")


def _key_in_header(authorization: str) -> str:
    """The key of a Bearer header, or the user name of a Basic one (as with `curl -u sk_…:`)."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
