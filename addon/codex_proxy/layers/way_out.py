"""Where a connection of ours may lead: the backend, and the outgoing proxy on the way to it."""

from mitmproxy import ctx

from ..net import policy, upstream
from ..output import redact
from . import ours
from .option_checks import reject


class WayOut:
    outgoing: policy.OutgoingProxy | None = None
    """The proxy that requests to the backend go through."""

    def configure(self, updated: set[str]) -> None:
        if "codex_upstream" in updated:
            self.outgoing = _outgoing(ctx.options.codex_upstream)
            try:
                policy.trust()
            except ValueError as e:
                reject(str(e))
        if "codex_issuer" in updated:
            # Else it would be found out when the token has to be renewed.
            _outgoing(ctx.options.codex_issuer)

    def addresses(self) -> list[tuple[str, int]]:
        target = ours.backend()
        ways = [(target.host, target.port)]
        return [*ways, (self.outgoing.host, self.outgoing.port)] if self.outgoing else ways


def _outgoing(address: str) -> policy.OutgoingProxy | None:
    try:
        target = upstream.parse(address)
    except ValueError:
        return None  # the option's own check tells of it
    try:
        found = policy.outgoing_proxy(target.scheme, target.host, target.port)
    except ValueError as e:
        reject(str(e))
        return None
    if found:
        redact.KNOWN.know("outgoing proxy", *found.secrets())
    return found
