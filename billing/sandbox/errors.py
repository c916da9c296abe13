"""What the stand-in refuses, in Stripe's words: status, type, code, parameter and sentence."""

from typing import Any

JsonObject = dict[str, Any]


class StripeRefusal(Exception):
    """A call that changes nothing; answered with Stripe's error object, not kept under its idempotency key."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **objects: JsonObject,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, kind=kind, code=code, param=param, **objects)


def error_body(
    message: str,
    *,
    kind: str = "invalid_request_error",
    code: str | None = None,
    param: str | None = None,
    **more: object,
) -> JsonObject:
    """Stripe's error object, with only the fields that say something."""
    fields = {
        "type": kind,
        "code": code,
        "doc_url": documentation_of(code),
        "message": message,
        "param": param,
        **more,
    }
    return {"error": {name: value for name, value in fields.items() if value is not None}}


def documentation_of(code: str | None) -> str | None:
    """Where Stripe explains an error code."""
    return code and f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def unauthorised(message: str) -> StripeRefusal:
    """401: no key, a foreign key, or a key that may not do this."""
    return StripeRefusal(message, status=401)


def missing_object(kind: str, identifier: str, *, param: str, status: int = 404) -> StripeRefusal:
    """An id that nothing has; 404 in the address, 400 in a parameter."""
    spoken = "PaymentMethod" if kind == "payment_method" else kind
    return StripeRefusal(f"No such {spoken}: '{identifier}'", status=status, code="resource_missing", param=param)


def unknown_parameter(name: str) -> StripeRefusal:
    """A parameter that the address does not take (in this version of the API)."""
    return StripeRefusal(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def missing_parameter(name: str) -> StripeRefusal:
    """A required parameter was not sent."""
    return StripeRefusal(f"Missing required param: {name}.", code="parameter_missing", param=name)
