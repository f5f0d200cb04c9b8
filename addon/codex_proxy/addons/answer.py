"""The answer on its way down: events as they come, the last one repaired; JSON for who asked for no stream; errors readable."""

import asyncio
import functools
import time
import weakref
from collections.abc import Callable

from mitmproxy import ctx, http
from mitmproxy.net.http import status_codes

from .. import encodings
from ..answer import repair, sse
from ..backend import backend_errors, header_rules, transport_errors
from ..chat import chat_answer
from ..errors import ProxyError
from ..models.catalogue import NO_MODELS
from . import flows, wire
from .event_stream import EventStream, chat_of, stopped

# Clients that read lines of 1 MiB at most: Go's scanner, and nanobot with it (design, section 5).
SHORT_LINES = "Go-http-client/"


# A body this long is worked on apart from the loop, in bytes: below, that takes some milliseconds.
LONG = 1 << 20


class Watch:
    """Reads along in an answer that is to come whole: the backend is not silent, and a text of the client's may end a chat's."""

    def __init__(self, flow: http.HTTPFlow, decoder: encodings.StreamDecoder | None) -> None:
        self.state = flows.state_of(flow)
        self.frames, self.decoder = sse.Frames(), decoder
        self.whole: chat_answer.Whole | None = None
        if "chat" in self.state and self.state["chat"]["stop"]:
            self.whole = chat_answer.Whole(*chat_of(self.state))
        self.hang_up = functools.partial(hang_up, weakref.ref(flow))

    def __call__(self, data: bytes) -> None:
        self.state["heard_at"] = time.monotonic()
        if self.whole is None or self.whole.stream.stopped:
            return
        try:
            self.whole.feed(self.frames.feed(self.decoder(data) if self.decoder else data))
        except Exception as e:
            # What can't be read is told of when it is whole.
            if not isinstance(e, ProxyError):
                flows.unforeseen("Watch", e, self.state)
            self.whole = None
            return
        if self.whole.stream.stopped:
            stopped(self.state)
            self.hang_up()


def hang_up(flow: weakref.ref[http.HTTPFlow]) -> None:
    """A finished flow must not live on in its own body, so it is known by a weak reference."""
    if found := flow():
        wire.hang_up_upstream(found, "stopped")


async def _apart[**P, T](body: bytes, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The work on a body, on a thread of its own where that would keep everybody waiting."""
    if len(body) < LONG:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


class Answer:
    def __init__(self) -> None:
        self.watched: weakref.WeakKeyDictionary[http.HTTPFlow, Watch] = weakref.WeakKeyDictionary()

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if not flows.is_claimed(flow) or flow.response is None or "refused" in flows.state_of(flow):
            return
        response, state = flow.response, flows.state_of(flow)
        if "sent_at" not in state:
            return
        state["heard_at"] = time.monotonic()
        if place := backend_errors.redirect_host(response.headers.get("location", "")):
            state["redirect"] = place
        response.headers.fields = tuple(header_rules.downward(response.headers.fields))
        # The backend's own wording is nobody's business, and may repeat what went up.
        response.reason = status_codes.RESPONSES.get(response.status_code, "")
        if self._is_events(flow) and state.get("stream"):
            self._start_stream(flow)
        elif self._is_events(flow):
            self._watch(flow)

    def _is_events(self, flow: http.HTTPFlow) -> bool:
        assert flow.response
        kind = flow.response.headers.get("content-type", "")
        # Where the backend says nothing of the type it is a stream (contract section 5).
        events = not kind or "event-stream" in kind
        return flow.response.status_code == 200 and flows.is_turn(flow) and events

    def _start_stream(self, flow: http.HTTPFlow) -> None:
        assert flow.response
        state, headers = flows.state_of(flow), flow.response.headers
        short = state.get("client", "").startswith(SHORT_LINES)
        try:
            decoder = encodings.stream_decoder(headers.get("content-encoding", ""))
        except ProxyError:
            return  # refused when it is whole: an answer put here would get the backend's body
        headers.pop("content-encoding", None)
        headers.setdefault("content-type", "text/event-stream; charset=utf-8")
        headers["cache-control"] = "no-cache"
        if "transfer-encoding" not in headers:
            # Ends with the backend's connection; so that it can be ended properly here, it goes on in chunks.
            headers.pop("content-length", None)
            headers["transfer-encoding"] = "chunked"
            headers["connection"] = "close"
        chunks = chat_answer.Chunks(*chat_of(state)) if "chat" in state else None
        fixer = repair.Repair(limit=repair.SHORT_LINE if short and not chunks else None)
        at_end = ctx.master.addons.get("memory").keeper(flow)
        ending = functools.partial(hang_up, weakref.ref(flow))
        flow.response.stream = EventStream(state, fixer, decoder, at_end, chunks, ending)

    def _watch(self, flow: http.HTTPFlow) -> None:
        assert flow.response
        try:
            decoder = encodings.stream_decoder(flow.response.headers.get("content-encoding", ""))
        except ProxyError:
            return  # refused when it is whole
        self.watched[flow] = Watch(flow, decoder)
        wire.watch_body(flow, self.watched[flow])

    async def response(self, flow: http.HTTPFlow) -> None:
        try:
            await self._whole(flow)
        finally:
            self._forget(flow)

    async def error(self, flow: http.HTTPFlow) -> None:
        """The backend gave no answer, or broke off in it; mitmproxy would send its HTML page, or a body cut short."""
        try:
            await self._broken(flow)
        finally:
            self._forget(flow)

    def _forget(self, flow: http.HTTPFlow) -> None:
        """What was kept for the answer; the flow itself lives on, for who looks at it."""
        self.watched.pop(flow, None)
        ctx.master.addons.get("memory").forget(flow)

    async def _whole(self, flow: http.HTTPFlow) -> None:
        if not flows.is_claimed(flow) or flow.response is None or flow.websocket:
            return
        state = flows.state_of(flow)
        if isinstance(flow.response.stream, EventStream):
            flow.response.data.content = bytes(flow.response.stream.kept)
        if "refused" in state or "sent_at" not in state or flow.response.stream:
            return
        try:
            if state.get("stopped") and (watch := self.watched.get(flow)) and watch.whole:
                # The backend's answer would have ended with the connection, which was ended.
                self._put_stopped(flow.response, watch.whole)
            else:
                await self._finish(flow)
        except Exception as e:
            flows.refuse(flow, e if isinstance(e, ProxyError) else flows.unforeseen("Answer", e, flow))

    async def _finish(self, flow: http.HTTPFlow) -> None:
        """A whole answer, made what the client expects."""
        assert flow.response
        response, state = flow.response, flows.state_of(flow)
        # It goes on whole, with its length, and as it is.
        coding = response.headers.pop("content-encoding", "")
        response.headers.pop("transfer-encoding", None)
        body = response.raw_content or b""
        if response.status_code >= 400:
            await self._explain(flow, encodings.error_body(body, coding))
        else:
            body = await _apart(body, encodings.whole_answer, body, coding)
            response.raw_content = body
            if self._is_events(flow):
                state.setdefault("first_at", time.monotonic())
                await self._finish_events(flow, body)
            else:
                await self._finish_json(flow, body)
        response.headers["content-length"] = str(len(response.raw_content or b""))

    async def _finish_json(self, flow: http.HTTPFlow, body: bytes) -> None:
        assert flow.response
        state, status = flows.state_of(flow), flow.response.status_code
        headers = {name.lower(): value for name, value in flow.response.headers.items()}
        place, upgrade = state.get("redirect", ""), state["route"] == "socket"
        judge = functools.partial(backend_errors.no_answer, place=place, upgrade=upgrade)
        if error := await _apart(body, judge, status, headers, body):
            raise error
        if state["route"] == "catalogue" and body.replace(b" ", b"") == b'{"models":[]}':
            flows.note(flow, NO_MODELS)
            flow.response.text = f'{{"models":[],"note":"{NO_MODELS}"}}'

    async def _finish_events(self, flow: http.HTTPFlow, body: bytes) -> None:
        assert flow.response
        response, state = flow.response, flows.state_of(flow)
        short = state.get("client", "").startswith(SHORT_LINES)
        streams, chat, chunks = bool(state.get("stream")), None, None
        if "chat" in state and streams:
            chunks = chat_answer.Chunks(*chat_of(state))
        elif "chat" in state:
            chat = chat_answer.Whole(*chat_of(state))
        fixer = repair.Repair(limit=repair.SHORT_LINE if short and streams and not chunks else None)
        seen = chunks.feed if chunks else chat.feed if chat else list if streams else None
        content = await _apart(body, repair.through, body, fixer, seen)
        flows.tell_ending(flow, fixer)
        ctx.master.addons.get("memory").keeper(flow)(fixer)
        if not streams and fixer.error is not None:
            raise backend_errors.in_stream(fixer.error)
        response.headers["content-type"] = "text/event-stream; charset=utf-8" if streams else "application/json"
        response.content = content if streams else chat.completion() if chat else fixer.response

    async def _explain(self, flow: http.HTTPFlow, body: bytes) -> None:
        """A refusal of the backend in OpenAI's shape; its headers stay, for the request id and the usage windows."""
        assert flow.response
        response = flow.response
        headers = {name.lower(): value for name, value in response.headers.items()}
        remedy = ctx.master.addons.get("puttoken").store.file.remedy
        error = backend_errors.explain(response.status_code, headers, body, remedy=remedy)
        if flows.state_of(flow)["route"] == "compact" and error.status == 404:
            error = backend_errors.no_compact(error)
        if error.code == "model_not_found":
            await ctx.master.addons.get("models").explain(flow, error)
        response.status_code = error.status
        response.reason = http.Response.make(error.status).reason
        for name, value in {"content-type": "application/json", **error.headers}.items():
            response.headers[name] = value
        response.content = error.body()
        flows.state_of(flow)["error"] = error.code or str(error.status)

    async def _broken(self, flow: http.HTTPFlow) -> None:
        if not flows.is_claimed(flow) or flow.error is None:
            return
        if flow.response is not None and isinstance(flow.response.stream, EventStream):
            flow.response.data.content = bytes(flow.response.stream.kept)
            flow.response.stream.at_end = None
        if wire.client_is_gone(flow):
            return
        state = flows.state_of(flow)
        if state.get("stopped") and (watch := self.watched.get(flow)) and watch.whole:
            assert flow.response
            self._put_stopped(flow.response, watch.whole)
            self._send_and_close(flow, flow.response)
            return
        via = "{}:{}".format(*flow.server_conn.via[1]) if flow.server_conn.via else ""
        gave_up = state.get("gave_up", "")
        if not gave_up and (dialled := wire.dialled(flow)) and dialled.died:
            gave_up = "dead"
        failure = transport_errors.explain(
            flow.error.msg, flows.backend().host, gave_up, via, state.get("gave_up_after", 0)
        )
        if flow.response is not None and isinstance(flow.response.stream, EventStream):
            self._end_stream(flow, flow.response.stream, failure)
            return
        if "repeated" in state and flow.response is not None:
            await self._whole(flow)
        elif "refused" not in state:
            flow.response = flows.response(failure)
            state["refused"] = failure.code
        assert flow.response
        self._send_and_close(flow, flow.response)

    def _put_stopped(self, response: http.Response, whole: chat_answer.Whole) -> None:
        """A whole answer that ended with a text of the client's."""
        for name in ("transfer-encoding", "content-encoding"):
            response.headers.pop(name, None)
        response.headers["content-type"] = "application/json"
        response.content = whole.completion()
        response.headers["content-length"] = str(len(response.raw_content or b""))

    def _send_and_close(self, flow: http.HTTPFlow, response: http.Response) -> None:
        ctx.master.addons.get("cors").let_read(flow, response)
        wire.answer_and_close(flow, wire.response_bytes(response))

    def _end_stream(self, flow: http.HTTPFlow, stream: EventStream, failure: ProxyError) -> None:
        assert flow.response
        last = stream.end(f"The backend broke the stream off before its last event: {failure.message}")
        flow.response.data.content = (flow.response.data.content or b"") + last
        if "chunked" in flow.response.headers.get("transfer-encoding", ""):
            chunk = b"%x\r\n%s\r\n" % (len(last), last) if last else b""
            last = chunk + b"0\r\n\r\n"
        wire.answer_and_close(flow, last)
