"""The answer on its way down: events as they arrive, the last one repaired; a JSON object for clients that did not ask for a stream;
readable errors."""

import asyncio
import functools
import time
import weakref
from collections.abc import Callable

from mitmproxy import http
from mitmproxy.net.http import status_codes

from ..answer import long_lines, repair
from ..answer.sse import begins_like_events
from ..backend import compact_endpoint, header_rules, refusals, transport_errors
from ..errors import ProxyError
from ..layers import ours, own_answer, wire
from ..message import encodings
from ..models.catalogue import NO_MODELS
from ..walk.exchange import Exchange
from .event_stream import BROKE_OFF, EventStream, WholeAnswer, given_up, tell_ending
from .inject_token import InjectToken
from .login import Login
from .memory import Memory
from .models import Models
from .page_access import let_read
from .refusal import refuse, unforeseen
from .retry import Retry

# Clients that read lines of 1 MiB at most: Go's scanner, and nanobot with it (docs/backend.md, 13).
SHORT_LINES = "Go-http-client/"

# A body this long is worked on apart from the loop, in bytes: below, that takes some milliseconds.
LONG = 1 << 20


def hang_up(flow: weakref.ref[http.HTTPFlow]) -> None:
    """A finished flow must not live on in its own body, so it is known by a weak reference."""
    if found := flow():
        wire.hang_up_upstream(found, "stopped")


async def _apart[**P, T](body: bytes, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Work on a body, on a separate thread if it would block the event loop."""
    if len(body) < LONG:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


class Answer:
    after = (InjectToken, Retry)

    def __init__(self, memory: Memory, models: Models, login: Login) -> None:
        self.memory, self.models, self.login = memory, models, login
        self.whole: weakref.WeakKeyDictionary[http.HTTPFlow, WholeAnswer] = weakref.WeakKeyDictionary()

    def responseheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        response = flow.response
        if response is None or exchange.refused or not exchange.was_sent:
            return
        exchange.heard_at = time.monotonic()
        exchange.redirect_host = refusals.redirect_host(response.headers.get("location", ""))
        response.headers.fields = tuple(header_rules.downward(response.headers.fields))
        # The backend's own wording is not passed on: it may repeat what went up.
        response.reason = status_codes.RESPONSES.get(response.status_code, "")
        if is_events(response, exchange):
            if exchange.stream:
                self._start_stream(flow, exchange)
            else:
                self._watch(flow, exchange)

    def _start_stream(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        assert flow.response
        headers = flow.response.headers
        try:
            decoder = encodings.stream_decoder(headers.get("content-encoding", ""))
        except ProxyError:
            return  # refused when it is whole: an answer put here would get the backend's body
        headers.pop("content-encoding", None)
        headers["cache-control"] = "no-cache"
        if "transfer-encoding" not in headers:
            # Ends with the backend's connection; so that it can be ended properly here, it goes on in chunks.
            headers.pop("content-length", None)
            headers["transfer-encoding"] = "chunked"
            headers["connection"] = "close"
        translation = exchange.translation
        translated = translation.stream(exchange.sent_model) if translation else None
        fixer = repair.StreamRepairer(is_official=exchange.is_official)
        lines = long_lines.LongLines(fixer.notes.append) if exchange.client.startswith(SHORT_LINES) else None
        at_end = self.memory.keeper(exchange)
        ending = functools.partial(hang_up, weakref.ref(flow))
        flow.response.stream = EventStream(exchange, fixer, decoder, at_end, translated, ending, lines)

    def _watch(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        assert flow.response
        try:
            decoder = encodings.stream_decoder(flow.response.headers.get("content-encoding", ""))
        except ProxyError:
            return  # refused when it is whole
        whole = WholeAnswer(exchange, decoder, functools.partial(hang_up, weakref.ref(flow)))
        if wire.watch_body(flow, whole):
            self.whole[flow] = whole

    async def response(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        try:
            await self._whole(flow, exchange)
        finally:
            self._forget(flow, exchange)

    async def error(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """The backend gave no answer, or broke off in it; mitmproxy would send its HTML page, or a body cut short."""
        try:
            await self._broken(flow, exchange)
        finally:
            self._forget(flow, exchange)

    def _forget(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Log or release what was kept for the answer; the flow itself lives on, for the views."""
        if flow.response is not None and isinstance(flow.response.stream, EventStream):
            tell_ending(exchange, flow.response.stream.repair)
        self.whole.pop(flow, None)
        exchange.asked = None

    async def _whole(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if flow.response is None or flow.websocket:
            return
        if isinstance(flow.response.stream, EventStream):
            flow.response.data.content = bytes(flow.response.stream.kept)
        if exchange.refused or not exchange.was_sent or flow.response.stream:
            return
        await self._finish(flow, exchange)

    async def _finish(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Turn a complete answer into what the client expects. Raises ProxyError."""
        assert flow.response
        response = flow.response
        if flow not in self.whole and (failure := given_up(exchange)):
            raise failure
        # It is passed on complete and unchanged, with its length.
        coding = response.headers.pop("content-encoding", "")
        response.headers.pop("transfer-encoding", None)
        body = response.raw_content or b""
        if response.status_code >= 400:
            await self._explain(flow, exchange, encodings.error_body(body, coding))
        elif whole := self.whole.get(flow):
            self._put_whole(response, exchange, whole)
        else:
            body = await _apart(body, encodings.whole_answer, body, coding)
            response.raw_content = body
            if not is_events(response, exchange) and not begins_like_events(body):
                await self._finish_json(flow, exchange, body)
            elif exchange.stream:
                await self._finish_stream(flow, exchange, body)
            else:
                whole = WholeAnswer(exchange)
                await _apart(body, whole, body)
                self._put_whole(response, exchange, whole)
        response.headers["content-length"] = str(len(response.raw_content or b""))

    def _put_whole(self, response: http.Response, exchange: Exchange, whole: WholeAnswer) -> None:
        if exchange.first_at is None:
            exchange.first_at = time.monotonic()
        try:
            response.content = whole.made()
        finally:
            tell_ending(exchange, whole.repair)
            self.memory.keeper(exchange)(whole.repair)
        response.headers["content-type"] = "application/json"

    async def _finish_json(self, flow: http.HTTPFlow, exchange: Exchange, body: bytes) -> None:
        assert flow.response
        status = flow.response.status_code
        headers = {name.lower(): value for name, value in flow.response.headers.items()}
        place, upgrade = exchange.redirect_host, exchange.route.name == "socket"
        judge = functools.partial(refusals.no_answer, place=place, upgrade=upgrade)
        if error := await _apart(body, judge, status, headers, body):
            raise error
        if exchange.route.name == "catalogue" and body.replace(b" ", b"") == b'{"models":[]}':
            exchange.note(NO_MODELS)
            flow.response.text = f'{{"models":[],"note":"{NO_MODELS}"}}'

    async def _finish_stream(self, flow: http.HTTPFlow, exchange: Exchange, body: bytes) -> None:
        """A stream that came whole, as after a retry."""
        assert flow.response
        response, translation = flow.response, exchange.translation
        fixer = repair.StreamRepairer(is_official=exchange.is_official)
        seen: Callable[[list[bytes]], list[bytes]]
        seen = translation.stream(exchange.sent_model).feed if translation else list
        if exchange.client.startswith(SHORT_LINES):
            seen = long_lines.LongLines(fixer.notes.append).after(seen)
        exchange.heard(time.monotonic())
        response.content = await _apart(body, repair.through, body, fixer, seen)
        tell_ending(exchange, fixer)
        self.memory.keeper(exchange)(fixer)
        response.headers["content-type"] = "text/event-stream; charset=utf-8"
        if fixer.breaks_off:
            let_read(exchange, response)
            await wire.answer_and_break_off(flow, wire.broken_off(response))

    async def _explain(self, flow: http.HTTPFlow, exchange: Exchange, body: bytes) -> None:
        """A refusal of the backend in OpenAI's shape; its headers stay, for the request id and the usage windows."""
        assert flow.response
        response = flow.response
        headers = {name.lower(): value for name, value in response.headers.items()}
        remedy = self.login.store.file.remedy
        error = refusals.explain(response.status_code, headers, body, remedy=remedy)
        if exchange.route.name == "compact" and compact_endpoint.is_gone(response.status_code, body):
            error = compact_endpoint.unavailable(error.message)
        if error.code == "model_not_found":
            await self.models.explain(exchange, error)
        response.status_code = error.status
        response.reason = http.Response.make(error.status).reason
        for name, value in {"content-type": "application/json", **error.headers}.items():
            response.headers[name] = value
        response.content = error.body()
        exchange.error = error.code or str(error.status)

    async def _broken(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if flow.error is None:
            return
        if flow.response is not None and isinstance(flow.response.stream, EventStream):
            flow.response.data.content = bytes(flow.response.stream.kept)
            flow.response.stream.at_end = None
        if wire.client_is_gone(flow):
            return
        failure = failure_of(flow, exchange, flow.error.msg)
        if flow.response is not None and isinstance(flow.response.stream, EventStream):
            await self._end_stream(flow, flow.response.stream, failure)
            return
        if exchange.retried and flow.response is not None:
            try:
                await self._whole(flow, exchange)
            except ProxyError as e:
                refuse(flow, exchange, e)
            except Exception as e:
                refuse(flow, exchange, unforeseen("Answer", e, exchange))
        elif not exchange.refused:
            failure = whole.judged(failure) if (whole := self.whole.get(flow)) else failure
            flow.response = own_answer.response(failure)
            exchange.refused = failure.code or str(failure.status)
        assert flow.response
        self._send_and_close(flow, exchange, flow.response)

    def _send_and_close(self, flow: http.HTTPFlow, exchange: Exchange, response: http.Response) -> None:
        let_read(exchange, response)
        wire.answer_and_close(flow, wire.response_bytes(response))

    async def _end_stream(self, flow: http.HTTPFlow, stream: EventStream, failure: ProxyError) -> None:
        assert flow.response
        last = stream.end(BROKE_OFF.format(failure.message))
        # Kept, whatever the answer's size is: the views show what was kept while the client reads.
        stream.kept += last
        flow.response.data.content = bytes(stream.kept)
        ending = wire.chunk(flow.response, last, is_whole=not stream.broken)
        if stream.broken:
            await wire.answer_and_break_off(flow, ending)
        else:
            wire.answer_and_close(flow, ending)


def is_events(response: http.Response, exchange: Exchange) -> bool:
    """Whether it is a turn's event stream; one under another type, or none, is named before (layers/answer_stream.py)."""
    is_good = response.status_code == 200 and exchange.route.is_turn
    return is_good and "event-stream" in response.headers.get("content-type", "")


def failure_of(flow: http.HTTPFlow, exchange: Exchange, message: str) -> ProxyError:
    """The error for a missing answer; `message` is mitmproxy's wording."""
    via = "{}:{}".format(*flow.server_conn.via[1]) if flow.server_conn.via else ""
    gave_up = exchange.gave_up
    if not gave_up and (dialled := wire.dialled(flow)) and dialled.died:
        gave_up = "dead"
    return transport_errors.explain(message, ours.backend().host, gave_up, via, exchange.gave_up_after)
