"""Find mitmproxy's own addons by class; mitmproxy finds them only by name."""

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver


def found[T](kind: type[T]) -> T | None:
    """The running addon of a class; None where this tool, or a test, has none."""
    addon = ctx.master.addons.lookup.get(kind.__name__.lower())
    return addon if isinstance(addon, kind) else None


def proxyserver() -> Proxyserver | None:
    return found(Proxyserver)
