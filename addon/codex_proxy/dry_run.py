"""Dry run: the client gets a canned answer, nothing goes to the backend, and no login is needed."""

import secrets
import sys
from typing import Any

import msgspec
from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from . import canned, flows
from .errors import ProxyError

HEADERS = {"cache-control": "no-cache", "openai-processing-ms": "0"}

# Names to choose from, where a client asks for them first (contract 15.5).
MODELS = ("gpt-6.1-sol", "gpt-6-astra", "gpt-6.1-terra", "gpt-6-sol", "gpt-6-luna", "gpt-5.5")


class DryRun:
    def load(self, loader: Loader) -> None:
        self._check_given()
        loader.add_option(
            "codex_dry_run", bool, False,
            "Answer from a canned stream and send nothing to the backend; needs no login. The client is taken through a text,"
            " and a call of one of its tools with made-up arguments if it sent any.",
        )  # fmt: skip

    def _check_given(self) -> None:
        # For a value that is none mitmproxy would start without any addon of ours, say nothing, and pass all requests on.
        given = getattr(ctx.options.deferred.get("codex_dry_run"), "val", [])
        if len(given) > 1 or not {*given} <= {"true", "false"}:
            sys.exit(f"codex_dry_run={' and '.join(given)}; it can be true or false")

    def running(self) -> None:
        if flows.is_dry_run():
            flows.logger.info("Dry run: answers are canned, nothing is sent to the backend.")

    @flows.step
    def request(self, flow: http.HTTPFlow) -> None:
        """Whatever has come this far would go to the backend next; none of it does."""
        if not flows.is_dry_run():
            return
        route = flows.state_of(flow)["route"]
        flows.note(flow, "dry run")
        if route == "responses":
            flow.response = self.answer(flow)
        elif route == "models":
            flow.response = self.models()
        else:
            raise ProxyError(
                501, "not_in_dry_run", "A dry run has no answer for this path; nothing was sent to the backend."
            )

    def answer(self, flow: http.HTTPFlow) -> http.Response:
        body: dict[str, Any] = msgspec.json.decode(flow.request.content or b"{}")
        events = bool(flows.state_of(flow).get("stream"))
        kind = "text/event-stream; charset=utf-8" if events else "application/json"
        headers = {"content-type": kind, "x-request-id": f"dry_{secrets.token_hex(8)}", **HEADERS}
        return http.Response.make(200, canned.stream(body) if events else canned.whole(body), headers)

    def models(self) -> http.Response:
        """In OpenAI's shape and in the backend's, one beside the other."""
        listed = {
            "object": "list",
            "data": [{"id": name, "object": "model", "created": 0, "owned_by": "openai"} for name in MODELS],
            "models": [{"slug": name, "display_name": name, "visibility": "list"} for name in MODELS],
        }
        return http.Response.make(200, msgspec.json.encode(listed), {"content-type": "application/json", **HEADERS})
