"""Asking the customer's bank on its page (3-D Secure): the step that an intent waits for, and its end."""

from billing.sandbox.calls import Call
from billing.sandbox.errors import JsonObject
from billing.sandbox.object_store import new_identifier


def send_to_bank(call: Call, intent: JsonObject, method: JsonObject) -> None:
    """`requires_action`: by a redirect there and back, or, without a way back, by what Stripe.js does itself."""
    return_url = call.given.get("return_url")
    authentication = call.objects.put(
        {
            "id": new_identifier("auth_"),
            "object": "authentication",
            "created": call.now,
            "intent": intent["id"],
            "return_url": return_url,
            "passed": None,
        }
    )
    page = f"{call.origin}/3d_secure/{authentication['id']}"
    if return_url is None:
        action: JsonObject = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page, "source": authentication["id"]},
        }
    else:
        action = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": page}}
    intent |= {"payment_method": method["id"], "status": "requires_action", "next_action": action}
    call.objects.put(intent)


def is_awaited(intent: JsonObject, authentication: JsonObject) -> bool:
    """Not when the intent was canceled or confirmed anew with another method."""
    action = intent["next_action"]
    if not action:
        return False
    page: str = action.get("redirect_to_url", {}).get("url") or action["use_stripe_sdk"]["stripe_js"]
    return page.endswith(authentication["id"])
