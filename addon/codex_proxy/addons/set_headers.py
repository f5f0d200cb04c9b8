"""The headers the backend sees: ours, and of the client's only what the table in header_rules.py lets pass."""

from mitmproxy import ctx, http

from ..backend import header_rules, our_headers, upgrade
from ..field_values import Fields
from ..request import cache_key
from . import flows, wire


class SetHeaders:
    @flows.step
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flows.state_of(flow)["route"] not in flows.UPWARD:
            return
        fields = flow.request.headers.fields
        hidden = [(name, value) for name, value in fields if value == wire.HIDDEN]
        # Of a header that came twice the first one counts.
        client: dict[str, str] = {}
        for name, value in fields:
            if value != wire.HIDDEN:
                client.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        flows.state_of(flow)["client"] = client.get("user-agent", "")[:200]
        flows.state_of(flow)["lite"] = header_rules.is_lite(client) and header_rules.is_codex(client)
        flows.state_of(flow)["session"] = cache_key.session(client)
        ours = self.ours(flow, client)
        flow.request.headers.fields = (*self.kept(flow), *hidden, *header_rules.upward(client, ours))
        state = flows.state_of(flow)
        state["header_changes"] = header_rules.changed(state["original"]["headers"], flow.request.headers.fields)

    def ours(self, flow: http.HTTPFlow, client: dict[str, str]) -> dict[str, str]:
        streams, codex = flows.is_turn(flow), header_rules.is_codex(client)
        ours = our_headers.who(ctx.options.codex_originator, streams=streams, codex=codex)
        if flows.state_of(flow)["route"] == "socket":
            # What is asked of an answer over HTTP says nothing here.
            said = {name: value for name, value in ours.items() if name not in ("Accept", "Accept-Encoding")}
            return said | upgrade.upward(client, codex)
        return ours

    def kept(self, flow: http.HTTPFlow) -> Fields:
        """`Host` is for the last step; `Connection: close` tells mitmproxy to end the client's connection."""
        kept = [(b"Host", flows.backend().authority.encode())]
        if "close" in flow.request.headers.get("connection", "").lower():
            kept.append((b"Connection", b"close"))
        return kept
