"""Is the proxy being stopped, and what is said to those who ask on."""

from ..errors import ProxyError


class Stopping:
    """Was the end asked for?"""

    is_asked = False


def stopped(why: str, headers: dict[str, str] | None = None) -> ProxyError:
    return ProxyError("stopping", f"The proxy is being stopped, and {why}. Try again.", headers=headers)
