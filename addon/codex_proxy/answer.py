"""The answer on its way down: events as they come, the last one repaired; JSON for who asked for no stream; errors readable."""

import time

from mitmproxy import ctx, http

from . import backend_errors, encodings, flows, header_rules, repair, transport_errors, wire
from .errors import ProxyError

# Of a stream this much is kept for who looks at the flow afterwards, in bytes.
KEPT = 8 << 20

# Of so many pieces it is noted when they came; of more, of every second one.
MARKS = 4096

# Clients that read lines of 1 MiB at most: Go's scanner, and nanobot with it (design, section 5).
SHORT_LINES = "Go-http-client/"

NO_MODELS = (
    "The backend lists no models for this client_version. It leaves models out for old versions: ask with a newer one,"
    " or set codex_client_version."
)


class EventStream:
    """Takes the backend's bytes as they come and gives the client's; lives as long as the stream."""

    def __init__(self, state: flows.State, fixer: repair.Repair, decoder: encodings.StreamDecoder | None) -> None:
        self.state, self.repair, self.decoder = state, fixer, decoder
        self.closed = False
        self.kept = bytearray()
        # Tuples of numbers, which the garbage collector leaves out; lists it would look through each time, by the million.
        self.marks: list[tuple[int, int]] = state.setdefault("marks", [])

    def __call__(self, data: bytes) -> list[bytes]:
        if self.closed:
            return []
        self.state["heard_at"] = time.monotonic()
        self.state.setdefault("first_at", self.state["heard_at"])
        try:
            pieces = self._pieces(data)
        except Exception as e:
            # Raised here, it would leave the client hanging without a word (mitmproxy "has crashed").
            flows.unforeseen("EventStream", e)
            pieces = [self.end("The proxy could not read the backend's stream.")]
        # Never an empty piece: mitmproxy would write it as the chunk that ends the body.
        joined = b"".join(pieces)
        if joined and len(self.kept) < KEPT:
            if len(self.marks) >= MARKS:
                del self.marks[1::2]
            self.marks.append((len(self.kept), round((self.state["heard_at"] - self.state["sent_at"]) * 1000)))
            self.kept += joined
        return [joined] if joined else []

    def _pieces(self, data: bytes) -> list[bytes]:
        if not data:
            self.closed = True
            return self.repair.end()
        return self.repair.feed(self.decoder(data) if self.decoder else data)

    def end(self, why: str, code: str = "stream_broken") -> bytes:
        """What is left to say when the backend will not end the stream: nothing, or an `error` event."""
        if self.closed or self.repair.ended:
            self.closed = True
            return b""
        self.closed = True
        return self.repair.broken(why, code)


class Answer:
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if not flows.is_claimed(flow) or flow.response is None or "refused" in flows.state_of(flow):
            return
        response, state = flow.response, flows.state_of(flow)
        if "sent_at" not in state:
            return
        state["heard_at"] = time.monotonic()
        response.headers.fields = tuple(header_rules.downward(response.headers.fields))
        if self._is_events(flow) and state.get("stream"):
            self._start_stream(flow)

    def _is_events(self, flow: http.HTTPFlow) -> bool:
        assert flow.response
        kind = flow.response.headers.get("content-type", "")
        # Where the backend says nothing of the type it is a stream (contract section 5).
        events = not kind or "event-stream" in kind
        return flow.response.status_code == 200 and flows.state_of(flow)["route"] == "responses" and events

    def _start_stream(self, flow: http.HTTPFlow) -> None:
        assert flow.response
        state, headers = flows.state_of(flow), flow.response.headers
        short = state.get("client", "").startswith(SHORT_LINES)
        try:
            decoder = encodings.stream_decoder(headers.pop("content-encoding", ""))
        except ProxyError as e:
            flows.refuse(flow, e)
            return
        headers.setdefault("content-type", "text/event-stream; charset=utf-8")
        headers["cache-control"] = "no-cache"
        if "transfer-encoding" not in headers:
            # Ends with the backend's connection; so that it can be ended properly here, it goes on in chunks.
            headers.pop("content-length", None)
            headers["transfer-encoding"] = "chunked"
            headers["connection"] = "close"
        flow.response.stream = EventStream(state, repair.Repair(limit=repair.SHORT_LINE if short else None), decoder)

    async def response(self, flow: http.HTTPFlow) -> None:
        if not flows.is_claimed(flow) or flow.response is None:
            return
        state = flows.state_of(flow)
        if isinstance(flow.response.stream, EventStream):
            flow.response.data.content = bytes(flow.response.stream.kept)
        if "refused" in state or "sent_at" not in state or flow.response.stream:
            return
        try:
            await self._finish(flow)
        except Exception as e:
            flows.refuse(flow, e if isinstance(e, ProxyError) else flows.unforeseen("Answer", e))

    async def _finish(self, flow: http.HTTPFlow) -> None:
        """A whole answer, made what the client expects."""
        assert flow.response
        response, state = flow.response, flows.state_of(flow)
        response.decode(strict=False)
        # It goes on whole, with its length.
        response.headers.pop("transfer-encoding", None)
        if response.status_code >= 400:
            await self._explain(flow)
        elif self._is_events(flow):
            state.setdefault("first_at", time.monotonic())
            self._finish_events(flow)
        elif state["route"] == "models" and (response.content or b"").replace(b" ", b"") == b'{"models":[]}':
            flows.note(flow, NO_MODELS)
            response.text = f'{{"models":[],"note":"{NO_MODELS}"}}'
        response.headers["content-length"] = str(len(response.raw_content or b""))

    def _finish_events(self, flow: http.HTTPFlow) -> None:
        assert flow.response
        response, state = flow.response, flows.state_of(flow)
        short = state.get("client", "").startswith(SHORT_LINES)
        fixer = repair.Repair(limit=repair.SHORT_LINE if short and state.get("stream") else None)
        pieces = fixer.feed(response.content or b"") + fixer.end()
        flows.tell_ending(flow, fixer)
        if state.get("stream"):
            response.headers["content-type"] = "text/event-stream; charset=utf-8"
            response.content = b"".join(pieces)
        elif fixer.error is not None:
            raise backend_errors.in_stream(fixer.error)
        else:
            response.headers["content-type"] = "application/json"
            response.content = fixer.response

    async def _explain(self, flow: http.HTTPFlow) -> None:
        """A refusal of the backend in OpenAI's shape; its headers stay, for the request id and the usage windows."""
        assert flow.response
        response = flow.response
        headers = {name.lower(): value for name, value in response.headers.items()}
        error = backend_errors.explain(response.status_code, headers, response.content or b"")
        if error.code == "model_not_found":
            names = await ctx.master.addons.get("modelnames").names()
            if names:
                error.message += f" Models of this subscription: {', '.join(names)}. (codex_model_map can map names.)"
        response.status_code = error.status
        response.reason = http.Response.make(error.status).reason
        for name, value in {"content-type": "application/json", **error.headers}.items():
            response.headers[name] = value
        response.content = error.body()
        flows.state_of(flow)["error"] = error.code or str(error.status)

    async def error(self, flow: http.HTTPFlow) -> None:
        """The backend gave no answer, or broke off in it; mitmproxy would send its HTML page, or a body cut short."""
        if not flows.is_claimed(flow) or flow.error is None:
            return
        if flow.response is not None and isinstance(flow.response.stream, EventStream):
            flow.response.data.content = bytes(flow.response.stream.kept)
        if wire.client_is_gone(flow):
            return
        state = flows.state_of(flow)
        via = "{}:{}".format(*flow.server_conn.via[1]) if flow.server_conn.via else ""
        failure = transport_errors.explain(flow.error.msg, flows.backend().host, state.get("gave_up", ""), via)
        if flow.response is not None and isinstance(flow.response.stream, EventStream):
            self._end_stream(flow, flow.response.stream, failure)
            return
        if "repeated" in state and flow.response is not None:
            await self.response(flow)
        elif "refused" not in state:
            flow.response = flows.response(failure)
            state["refused"] = failure.code
        assert flow.response
        wire.answer_and_close(flow, wire.response_bytes(flow.response))

    def _end_stream(self, flow: http.HTTPFlow, stream: EventStream, failure: ProxyError) -> None:
        assert flow.response
        last = stream.end(f"The backend broke the stream off before its last event: {failure.message}")
        flow.response.data.content = (flow.response.data.content or b"") + last
        if "chunked" in flow.response.headers.get("transfer-encoding", ""):
            chunk = b"%x\r\n%s\r\n" % (len(last), last) if last else b""
            last = chunk + b"0\r\n\r\n"
        wire.answer_and_close(flow, last)
