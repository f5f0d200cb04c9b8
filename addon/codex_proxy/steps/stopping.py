"""Whether the proxy is being stopped, and the error that new requests get then."""

from ..errors import ProxyError


class Stopping:
    """Whether the proxy is being stopped."""

    is_asked = False


def stopped(why: str, headers: dict[str, str] | None = None) -> ProxyError:
    return ProxyError("stopping", f"The proxy is being stopped, and {why}. Try again.", headers=headers)
