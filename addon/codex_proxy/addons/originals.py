"""Compare what the client sent with what went up: as a unified diff, and as a separate flow that can be replayed."""

from collections.abc import Sequence

from mitmproxy import command, exceptions, flow, http
from mitmproxy.addons.view import View

from ..layers.found_addon import found
from ..outcome import Original
from ..output.redact import HIDDEN
from ..steps import exchanges
from ..views import difference, layout
from ..walk.saved import KEY, VERSION


def original_of(one: flow.Flow) -> tuple[http.HTTPFlow, Original]:
    """The flow and what its client sent. Raises CommandError."""
    if not isinstance(one, http.HTTPFlow) or (original := exchanges.known(one).original) is None:
        raise exceptions.CommandError("This flow did not come through the Codex proxy.")
    return one, original


def difference_of(sent: http.HTTPFlow, original: Original) -> str:
    """A unified diff from what the client sent to what went up."""
    fields = [[name, value] for name, value in sent.request.headers.items(multi=True)]
    body = sent.request.get_text(strict=False) or ""
    told = difference.unified(
        difference.request_lines(original.method, original.path, original.headers, original.body or ""),
        difference.request_lines(sent.request.method, sent.request.path, fields, body),
        ("what the client sent", "what went up"),
    )
    cut = f"\n(of the client's body the first {exchanges.ORIGINAL_KEPT} bytes were kept)" if original.body_cut else ""
    return (layout.hidden(told) or "Nothing was changed.") + cut


class Originals:
    @command.command("codex.diff")  # type: ignore[untyped-decorator]
    def diff(self, selected: Sequence[flow.Flow]) -> str:
        """What the proxy changed in requests, as unified diffs; - is the client's, + is what went up."""
        return "\n\n".join(difference_of(*original_of(one)) for one in selected)

    @command.command("codex.original")  # type: ignore[untyped-decorator]
    def original(self, selected: Sequence[flow.Flow]) -> None:
        """Add what the client sent as a flow of its own, to be looked at and replayed."""
        copies = [self._copy(*original_of(one)) for one in selected]
        view = found(View)
        if view is None:
            raise exceptions.CommandError("Only mitmweb and the console have a list of flows to add it to.")
        view.add(copies)

    def _copy(self, sent: http.HTTPFlow, original: Original) -> http.HTTPFlow:
        if original.body_cut:
            raise exceptions.CommandError(
                "The client's body was too large to be kept in full; replay the patched request."
            )
        copy: http.HTTPFlow = sent.copy()
        # Replayed, it is its caller's again: what that one refers to is found, and its session is the same.
        copy.metadata[KEY] = {"version": VERSION, "caller": exchanges.known(sent).caller}
        copy.response = copy.error = None
        copy.comment = "what the client sent"
        copy.request.method, copy.request.path = original.method, original.path.replace(HIDDEN, "")
        # The body is kept without its codings, and its length is set with it.
        left_out = ("content-encoding", "content-length", "transfer-encoding")
        copy.request.headers = http.Headers(
            [
                (n.encode(), v.encode("utf-8", "surrogateescape"))
                for n, v in original.headers
                if n.lower() not in left_out
            ]
        )
        copy.request.text = original.body or ""
        return copy
