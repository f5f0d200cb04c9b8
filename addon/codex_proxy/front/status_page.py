"""The HTML page at `GET /`: which requests get it, and the restrictions for the browser (CSP level 3)."""

import base64
import hashlib
import re
from pathlib import Path

HTML = (Path(__file__).parent / "page.html").read_bytes()


def hashes(tag: str, page: bytes = HTML) -> str:
    """The page's inline `tag` elements as sources of a policy: nothing but what is in the file runs, or gives it a look."""
    found = re.findall(rb"<%b>(.*?)</%b>" % (tag.encode(), tag.encode()), page, re.S)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in found)


POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src {hashes('style')}",
        f"script-src {hashes('script')}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

# For the JSON as well: it is the same page, and not for other origins.
GUARDS = {
    "cache-control": "no-store",
    "vary": "Accept",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    **GUARDS,
}


def wanted(accept: str) -> bool:
    """Does an `Accept` header name HTML, and no JSON before it? curl and the SDKs take anything, and get JSON (RFC 9110, 12.5.1)."""
    weights = {"text/html": 0.0, "application/json": 0.0}
    for part in accept.lower().split(","):
        kind, *parameters = (text.strip() for text in part.split(";"))
        if kind in weights:
            weights[kind] = _weight(parameters)
    return weights["text/html"] > 0 and weights["text/html"] >= weights["application/json"]


def _weight(parameters: list[str]) -> float:
    given = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return float(given)
    except ValueError:
        return 1.0
