"""The page of the customer's bank: a plain one that asks whether 3-D Secure shall pass or fail."""

from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from billing.sandbox.authentications import is_awaited
from billing.sandbox.calls import Call
from billing.sandbox.confirmation import finish_authentication
from billing.sandbox.errors import JsonObject, StripeRefusal
from billing.sandbox.form_bodies import read_form
from billing.sandbox.http_messages import Request, Response
from billing.sandbox.setup_intents import finish_setup_authentication

_PAGE = Template((Path(__file__).parent / "static" / "three_d_secure.html").read_text(encoding="utf-8"))

_TEXTS = {
    "de": {
        "lang": "de",
        "title": "Zahlung bestätigen",
        "sandbox": "Sandbox: Diese Seite steht für die Ihrer Bank. Es fließt kein Geld.",
        "question": "Ihre Bank möchte wissen, ob Sie diese Zahlung freigeben.",
        "amount_label": "Betrag",
        "reference_label": "Vorgang",
        "complete": "Zahlung freigeben",
        "fail": "Freigabe ablehnen",
        "abandon": "Ohne Entscheidung zurück",
    },
    "en": {
        "lang": "en",
        "title": "Confirm the payment",
        "sandbox": "Sandbox: this page stands for the one of your bank. No money moves.",
        "question": "Your bank asks whether you approve this payment.",
        "amount_label": "Amount",
        "reference_label": "Reference",
        "complete": "Approve the payment",
        "fail": "Decline the approval",
        "abandon": "Go back undecided",
    },
}


def answer_authentication(request: Request, call: Call) -> Response:
    """`/3d_secure/{id}`: GET shows the page; POST with `outcome` complete, fail or abandon sends the customer back.

    Coming again after the decision leads back with what was decided; the first decision stands. Abandoning decides
    nothing: the intent goes on waiting, and the page may be opened again.
    """
    authentication = call.objects.find(request.path.removeprefix("/3d_secure/"), "authentication")
    if authentication is None:
        raise StripeRefusal("There is no such authentication.", status=404, code="resource_missing")
    kind = "setup_intent" if authentication["intent"].startswith("seti_") else "payment_intent"
    intent = call.objects.get(kind, authentication["intent"])
    open_still = authentication["passed"] is None and is_awaited(intent, authentication)
    if not open_still:
        return _back(intent, authentication)
    if request.method in ("GET", "HEAD"):
        return _page(request, intent)
    outcome = read_form(request.body).get("outcome")
    if request.method != "POST" or outcome not in ("complete", "fail", "abandon"):
        raise StripeRefusal("The outcome must be complete, fail or abandon.", param="outcome")
    if outcome == "abandon":
        return _back(intent, authentication)
    authentication["passed"] = outcome == "complete"
    call.objects.put(authentication)
    finish = finish_authentication if kind == "payment_intent" else finish_setup_authentication
    finish(call, intent, passed=authentication["passed"])
    return _back(intent, authentication)


def _back(intent: JsonObject, authentication: JsonObject) -> Response:
    """303 to the return address with what Stripe adds to it; no proof of anything."""
    if authentication["return_url"] is None:  # Stripe.js shows the page in a frame and closes it
        return Response(200, intent["status"].encode(), {"content-type": "text/plain; charset=utf-8"})
    address = urlsplit(authentication["return_url"])
    query = [
        *parse_qsl(address.query, keep_blank_values=True),
        (intent["object"], intent["id"]),
        (f"{intent['object']}_client_secret", intent["client_secret"]),
        ("redirect_status", "succeeded" if intent["status"] == "succeeded" else "failed"),
    ]
    location = urlunsplit(address._replace(query=urlencode(query)))
    return Response(303, headers={"location": location, "cache-control": "no-store"})


def _page(request: Request, intent: JsonObject) -> Response:
    words = request.headers.get("accept-language", "").strip().lower()
    locale = "de" if words.startswith("de") else "en"
    texts = {
        **_TEXTS[locale],
        "amount": _spoken_amount(intent, locale) if "amount" in intent else "–",
        "reference": intent["description"] or intent["id"],
    }
    body = _PAGE.substitute({name: escape(text) for name, text in texts.items()})
    headers = {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "content-language": locale,
        # No form-action: the browsers hold it against the redirect to the store's return address, too.
        "content-security-policy": ("default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "vary": "accept-language",
    }
    return Response(200, body.encode(), headers)


def _spoken_amount(intent: JsonObject, locale: str) -> str:
    whole, cents = divmod(intent["amount"], 100)
    currency = {"eur": "€"}.get(intent["currency"], intent["currency"].upper())
    return f"{whole},{cents:02} {currency}" if locale == "de" else f"{currency} {whole}.{cents:02}"
