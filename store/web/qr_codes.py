"""Draws a text as a QR code: an inline picture that no request fetches, so that no cache and no log holds a secret."""

import segno
from markupsafe import Markup


def qr_code(text: str, *, label: str) -> Markup:
    """An SVG whose dark fields are dark in every colour scheme, as phones want them; `label` says what it is."""
    drawn = segno.make(text, error="m", micro=False).svg_inline(
        omitsize=True, dark="#000", light="#fff", border=4, svgclass=None, lineclass=None
    )
    return Markup('<div class="qr" role="img" aria-label="{}">{}</div>').format(
        label,
        Markup(drawn),  # noqa: S704  (numbers and colours that the library writes; the text is not in it as text)
    )
