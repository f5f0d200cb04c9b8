"""Capture mode: write each client request to a readable file without secrets, and a report at the end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy import command, ctx, exceptions, http

from .. import __version__, daemon_threads, json_text
from ..capture import folder as capture_folder
from ..capture import report as capture_report
from ..errors import ProxyError
from ..files import atomic as atomic_files
from ..front import cors
from ..layers import ours, wire
from ..layers.option_checks import reject
from ..message import encodings
from ..net.listeners import is_loopback
from ..output import redact
from ..walk.exchange import Exchange
from .admit import Admit
from .patching import Patching
from .refusal import unforeseen
from .set_headers import SetHeaders

logger = logging.getLogger(__name__)

# A request waits for its file, so that it is there when the answer is; on a disk that hangs it goes on after this,
# in seconds.
PATIENCE = 3.0

# How long a report may take, for which all that was captured is read, in seconds.
REPORT_PATIENCE = 30.0

# Kept of what was answered, in characters.
MESSAGE = 2000


class Capture:
    after = (Admit, SetHeaders)
    # A refused request is captured as well.
    even_answered = True

    folder: capture_folder.Folder | None = None
    troubled = False
    kept = 0

    def __init__(self, patching: Patching) -> None:
        self.patching = patching
        # One thread: the files are numbered in the order in which the requests came.
        self.thread = daemon_threads.OneByOne()
        # Not in the flow, which is saved: the folder's name may contain anything, such as a user's name.
        self.files: WeakKeyDictionary[http.HTTPFlow, Path] = WeakKeyDictionary()

    def configure(self, updated: set[str]) -> None:
        if "codex_capture" not in updated:
            return
        self.finish()
        path = Path(ctx.options.codex_capture).expanduser().absolute() if ctx.options.codex_capture else None
        if path is not None:
            try:
                daemon_threads.call(f"{path} is made", lambda: atomic_files.make_folder(path), PATIENCE)
            except OSError as e:
                reject(f"codex_capture={ctx.options.codex_capture}: {e.strerror or e}")
        self.folder = capture_folder.Folder(path) if path else None
        self.kept = 0

    def running(self) -> None:
        if self.folder:
            logger.info(f"What clients send is kept in {self.folder.path}, without secrets.")

    def requestheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Keep the body of a refused request, which would be dropped."""
        if self.wants(flow, exchange) and is_let_in(flow, exchange) and flow.response:
            if exchange.refused != "body_too_large":
                wire.bound_body(flow, self.patching.limit, lambda: setattr(exchange, "too_large", True))

    def request(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        return self.keep(flow, exchange) if self.wants(flow, exchange) else None

    def response(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        if not self.wants(flow, exchange) or flow.response is None or not (path := self.files.get(flow)):
            return None
        if flow.response.status_code < 400 and not exchange.was_sent:
            return None
        return self.run(capture_folder.tell, path, answer(flow, exchange))

    def error(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        return self.keep_broken(flow, exchange) if flow.error and self.wants(flow, exchange) else None

    async def keep_broken(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """A request that was broken off before it was whole, or that got no answer."""
        assert flow.error
        if path := self.files.get(flow):
            told = {"status": None, "message": redact.one_line(flow.error.msg, MESSAGE)}
            await self.run(capture_folder.tell, path, told)
        else:
            await self.keep(flow, exchange)

    def done(self) -> None:
        self.finish()

    @command.command("codex.report")  # type: ignore[untyped-decorator]
    def report(self) -> str:
        """Write report.md of what has been captured so far, and say the verdict."""
        if self.folder is None:
            raise exceptions.CommandError("Capture is off: set codex_capture=DIR.")
        try:
            return written(self.folder.path).verdict
        except OSError as e:
            raise exceptions.CommandError(f"The report can't be written: {e}") from e

    def wants(self, flow: http.HTTPFlow, exchange: Exchange) -> bool:
        """Whether to capture it: no replays, and no callers without access."""
        if self.folder is None or flow.is_replay or exchange.original is None:
            return False
        if cors.is_preflight(flow.request.method, flow.request.headers) and flow.response:
            return False  # a browser's, that only asks whether its page may
        peer = flow.client_conn.peername[0].partition("%")[0] if flow.client_conn.peername else ""
        return is_let_in(flow, exchange) or is_loopback(peer)

    async def keep(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        assert self.folder
        try:
            document, body = head(flow, exchange), flow.request.raw_content or b""
            coding = exchange.original.header("content-encoding") if exchange.original else ""
            path = await self.run(keep, self.folder, document, body, coding, self.patching.limit)
        except Exception as e:
            # A failure here must not affect the request.
            unforeseen("Capture", e, exchange)
            return
        if path is not None:
            self.files[flow] = path
            self.kept += 1

    async def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run it on the thread; None if it fails, or takes too long and continues in the background."""
        doing = asyncio.get_running_loop().run_in_executor(self.thread, work, *arguments)
        doing.add_done_callback(self.told)
        await asyncio.wait([doing], timeout=PATIENCE)
        return doing.result() if doing.done() and not doing.exception() else None

    def told(self, done: asyncio.Future[Any]) -> None:
        """One line in the log when writing begins to fail, and one when it works again."""
        e = None if done.cancelled() else done.exception()
        if isinstance(e, OSError):
            if not self.troubled:
                where = self.folder.path if self.folder else ctx.options.codex_capture
                logger.error(
                    f"Requests can't be saved in {where}: {e.strerror or e}. The requests themselves are not affected."
                )
            self.troubled = True
        elif e is not None:
            unforeseen("Capture", e if isinstance(e, Exception) else RuntimeError(str(e)))
        elif self.troubled:
            logger.info("Requests are saved again.")
            self.troubled = False

    def finish(self) -> None:
        """Wait for what is still being written; then the report."""
        if self.folder is None or not self.kept:
            return
        try:
            self.thread.submit(lambda: None).result(PATIENCE)
            report = written(self.folder.path)
        except OSError as e:
            why = e.strerror or str(e) or daemon_threads.unanswered(PATIENCE).strerror
            logger.error(f"The report can't be written to {self.folder.path}: {why}")
        else:
            logger.info(f"{self.kept} requests captured. {report.verdict} ({self.folder.path / 'report.md'})")


def written(folder: Path) -> capture_report.Report:
    """The report of a folder, once it is on the disk. Raises OSError."""
    return daemon_threads.call(f"{folder} is reported", lambda: capture_report.write(folder), REPORT_PATIENCE)


def is_let_in(flow: http.HTTPFlow, exchange: Exchange) -> bool:
    """Was the caller admitted?"""
    if flow.response is None:
        return True
    return flow.response.status_code not in (403, 500) and exchange.refused != "wrong_client_key"


def head(flow: http.HTTPFlow, exchange: Exchange) -> capture_folder.Document:
    """All but the body."""
    request, original = flow.request, exchange.original
    assert original
    document: capture_folder.Document = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_line": f"{original.method} {original.path} {request.http_version}",
        "headers": [list(header) for header in original.headers],
        "sent": {},
        "proxy": {
            "version": __version__,
            "dry_run": ours.is_dry_run(),
            "patch": ctx.options.codex_patch,
            "model_map": list(ctx.options.codex_model_map),
            "model_default": ctx.options.codex_model_default,
            "model_aliases": ctx.options.codex_model_aliases,
        },
    }
    if exchange.too_large or exchange.refused == "body_too_large":
        document["sent"]["note"] = f"the body is larger than {ctx.options.codex_body_limit} and was not kept"
    if flow.error:
        document["sent"]["note"] = f"broken off: {redact.one_line(flow.error.msg, MESSAGE)}"
    if flow.response:
        document["answer"] = answer(flow, exchange)
    return document


def answer(flow: http.HTTPFlow, exchange: Exchange) -> capture_folder.Answered:
    """How a request was answered, and by whom."""
    assert flow.response
    response = flow.response
    told: capture_folder.Answered = {
        "status": response.status_code,
        "by": "backend" if exchange.was_sent else "proxy",
    }
    if exchange.refused:
        told |= {"by": "proxy", "code": exchange.refused}
    if response.status_code >= 400 and not callable(response.stream):
        text = response.get_text(strict=False) or ""
        told["message"] = redact.redact(message_of(text)[: MESSAGE + redact.MARGIN])[:MESSAGE]
    return told


def message_of(text: str) -> str:
    """What an error's body says: OpenAI's form, the backend's, or the text as it is."""
    try:
        body = json_text.decode(text)
    except json_text.NotJson:
        return text
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return str(error.get("message"))
    detail = body.get("detail") if isinstance(body, dict) else None
    return detail if isinstance(detail, str) else text


def keep(
    folder: capture_folder.Folder, document: capture_folder.Document, body: bytes, coding: str, limit: int
) -> Path:
    """Decode, clean and write; for the thread. Raises OSError."""
    sent: capture_folder.Sent = {"body_bytes": len(body)}
    if encodings.codings(coding):
        sent |= {"coded_bytes": len(body), "content_encoding": coding}
        try:
            body = encodings.decode(body, coding, limit)
            sent["body_bytes"] = len(body)
        except (ProxyError, encodings.TooLarge) as e:
            sent["note"], body = f"can't be decoded: {e or 'too large'}", b""
    document["sent"] = sent | document["sent"]
    parts = capture_folder.put_body(document, body) if body else {}
    return folder.add(document, parts)
