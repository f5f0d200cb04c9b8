"""The redirect from the browser: a listener on this machine that accepts one login, once (docs/backend.md, 8.2)."""

import asyncio
import contextlib
import errno
import hmac
import logging
from collections.abc import Sequence
from urllib.parse import parse_qs

from ..account.identity import printable
from ..account.issuer import CALLBACK_PATH
from ..account.oauth import UNFINISHED, Unfinished
from ..errors import LoginError
from ..output.redact import redact
from . import callback_page, ports
from .callback_page import Page

logger = logging.getLogger(__name__)

# A browser looks a name up, and may take either address.
ADDRESSES = {"127.0.0.1": ("127.0.0.1",), "localhost": ("127.0.0.1", "::1")}

# A suffix that newer servers append to the state.
STATE_SUFFIX = ".onboarding_entrypoint="

# Limits for a peer's request: seconds, bytes.
HEAD_PATIENCE = 10.0
HEAD_LIMIT = 32 * 1024


class WrongState(Unfinished):
    """The redirect of another authorization: ignored, as ours may still come."""


def code_of(query: str, state: str) -> str:
    """The code in a callback's query. Raises WrongState, and LoginError with what the server says against the login."""
    given = {name: values[0] for name, values in parse_qs(query).items()}
    if not hmac.compare_digest(given.get("state", "").partition(STATE_SUFFIX)[0].encode(), state.encode()):
        raise WrongState("This address does not belong to the login that is waiting.")
    if error := given.get("error"):
        raise Unfinished(_denied(error, given.get("error_description", "")))
    if not given.get("code"):
        raise Unfinished(f"{UNFINISHED}: the redirect carries no code. Try again.")
    return given["code"]


def _denied(error: str, description: str) -> str:
    if "missing_codex_entitlement" in description:
        return (
            "Codex is not enabled for this workspace. Ask its administrator for it, or log in with another account or"
            " workspace."
        )
    words = printable(redact(description or error))[:300].strip().rstrip(".")
    return f"The login was denied: {words}." if error == "access_denied" else f"{UNFINISHED}: {words}."


class Listener:
    """`async with Listener(host, ports, state) as listener:` listens until the block ends, on loopback only.

    `code` waits for the browser, which then waits for `tell`; `taken` says who holds the ports passed over. Raises LoginError
    if none is free.
    """

    def __init__(self, host: str, candidates: Sequence[int], state: str) -> None:
        self.host = host
        self.candidates = candidates
        self.port = 0
        self.taken: list[str] = []
        self._state = state
        self._servers: list[asyncio.Server] = []
        self._peers: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self._came: asyncio.Future[str] = loop.create_future()
        self._told: asyncio.Future[Page] = loop.create_future()
        self._caller: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()

    @property
    def redirect_uri(self) -> str:
        return redirect_uri(self.host, self.port)

    async def __aenter__(self) -> "Listener":
        for port in self.candidates:
            if await self._listen(port):
                self.port = port
                return self
            self.taken.append(f"Port {port} is held by {await ports.holder(port)}")
        raise Unfinished(
            f"The browser could not be redirected back. {'. '.join(self.taken)}. Stop that program, or use"
            " scripts/login --device or --paste.",
        )

    async def _listen(self, port: int) -> bool:
        for address in ADDRESSES[self.host]:
            try:
                server = await asyncio.start_server(self._connected, address, port, limit=HEAD_LIMIT)
            except OSError as e:
                if address == "::1" and e.errno != errno.EADDRINUSE:
                    continue  # a machine without IPv6
                await self._close()
                if e.errno == errno.EADDRINUSE:
                    return False
                raise Unfinished(f"Port {port} can't be listened on: {e.strerror}.") from e
            self._servers.append(server)
        return True

    async def __aexit__(self, *_: object) -> None:
        await self._close()
        # An unread failure does not matter at the end.
        if self._came.done() and not self._came.cancelled():
            self._came.exception()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._peers):
            task.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)
        self._servers.clear()

    async def code(self, patience: float) -> str:
        """The code that the browser brings. Raises LoginError if the login was denied, TimeoutError after `patience` seconds."""
        return await asyncio.wait_for(asyncio.shield(self._came), patience)

    async def tell(self, page: Page) -> None:
        """What the browser that came shows; returns once it has it, or has gone."""
        if self._caller is None or self._told.done():
            return
        self._told.set_result(page)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), HEAD_PATIENCE)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._peers.add(task)
        try:
            async with asyncio.timeout(HEAD_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(await self._answer(head))
            await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
            self._peers.discard(task)
            if task is self._caller:
                self._answered.set()

    async def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        if path != CALLBACK_PATH:
            return callback_page.answer(404, callback_page.NOTHING_HERE, method)
        if method != "GET":
            # A HEAD request must not consume the login.
            return callback_page.answer(405, callback_page.NOTHING_HERE, method)
        if self._came.done():
            return callback_page.answer(409, callback_page.USED)
        try:
            self._came.set_result(code_of(query, self._state))
        except WrongState:
            logger.warning("A browser came back from another login; still waiting for this one.")
            return callback_page.answer(400, callback_page.NOT_OURS)
        except LoginError as e:
            self._came.set_exception(e)
        self._caller = asyncio.current_task()
        page = await self._told
        return callback_page.answer(200 if page.good else 400, page)


def redirect_uri(host: str, port: int) -> str:
    return f"http://{host}:{port}{CALLBACK_PATH}"
