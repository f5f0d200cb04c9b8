"""The state of the stand-in: its address, the requests received, its answers, pending failures, known logins."""

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Any, Literal

from .answers.items import AnswerContent, Item, Pieces
from .answers.usage import PromptCache
from .failures.table import Active, Kind, parse
from .oauth import CALLBACK_PORTS, OAuth
from .wire.connection import Connection, Request
from .wire.seen import Seen
from .world.catalogue import MODELS
from .world.devices import Device
from .world.tokens import TEN_DAYS, Login, Tokens
from .world.vault import Vault

type Tls = tuple[str, str] | Literal[False]
"""Files of a certificate chain and of its key."""

TOKEN_PATH = "/oauth/token"

log = logging.getLogger("standin")


@dataclass
class Hold:
    kind: Kind
    before_headers: bool


@dataclass(eq=False, repr=False)
class State:
    """What the handlers of a request work with. `requests` has what was asked, `refresh_calls` what was asked of
    `/oauth/token`; `keep` bounds each of them. `note`s tell of what is taken here and would be refused elsewhere."""

    port: int = 0
    tls: Tls = False
    host: str = "127.0.0.1"
    _: KW_ONLY
    instructions_required: bool = True
    status_refused: bool = True
    require_account: bool = True
    refuse_bare_agents: bool = False
    trust_encrypted: Sequence[str] = ()
    keep: int | None = None
    device_interval: int = 5
    device_login: bool = True
    consent: InitVar[bool] = False
    callback_ports: InitVar[Sequence[int]] = CALLBACK_PORTS
    now: Callable[[], float] = time.time

    def __post_init__(self, consent: bool, callback_ports: Sequence[int]) -> None:
        self.requests: list[Seen] = []
        self.refresh_calls: list[Seen] = []
        self.notes: list[str] = []
        self.crashes: list[Exception] = []
        self.tokens = Tokens(self.now)
        self.vault = Vault(self.tokens.key, tuple(self.trust_encrypted))
        person = Login("person@example.org", "plus", str(uuid.uuid4()))
        self.oauth = OAuth(self.tokens, person, consent=consent, callback_ports=callback_ports)
        self.devices: dict[str, Device] = {}
        self.prompts = PromptCache()
        self.models = MODELS
        """What the catalogue has from now on; another one has another mark."""
        self.says = AnswerContent()
        self.socket_life = 3600.0
        """How long a WebSocket takes requests, in seconds."""
        self.deflate = True
        """Are messages of WebSockets compressed where that is offered?"""
        self.closed_with: int | None = None
        """The code with which the last WebSocket was closed by its client."""
        self._turns: deque[AnswerContent] = deque()
        self.held = asyncio.Event()
        self.released = asyncio.Event()
        self._holds: deque[Hold] = deque()
        self._failures: dict[Kind, deque[tuple[Active, bool]]] = {}

    # Where it is found.

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}"

    @property
    def upstream(self) -> str:
        return f"{self.origin}/backend-api/codex"

    @property
    def issuer(self) -> str:
        return self.origin

    # What was asked.

    def remember(self, seen: Seen) -> None:
        kept = self.refresh_calls if seen.path == TOKEN_PATH else self.requests
        kept.append(seen)
        if self.keep is not None:
            del kept[: -self.keep]
        what = "answered" if seen.refusal is None else "refused"
        log.info("%s: %s %s: %s %s", what, seen.method, seen.path, seen.status, seen.refusal or "")

    def note(self, request: Request, what: str) -> None:
        self.notes.append(what)
        log.info("noted: %s %s: %s", request.method, request.path, what)

    # What is said.

    def answer(
        self,
        *,
        text: str | None = None,
        items: Sequence[Item] | None = None,
        reasoning: bool = True,
        tool: tuple[str, dict[str, Any] | str] | None = None,
        deltas: int | Sequence[str] | None = None,
        pieces: Pieces | None = None,
    ) -> None:
        """What the answers from now on say; without arguments they decide by the request again.

        `deltas`: into how many pieces, or which pieces, the text is cut. `pieces`: gets the whole body of the stream
        and cuts it into the chunks that are written.
        """
        self.says = AnswerContent(text, items, reasoning, tool, deltas, pieces)
        self._turns.clear()

    def answers(self, *turns: AnswerContent) -> None:
        """Contents of the next answers, in order; after them the previous behaviour returns."""
        self._turns = deque(turns)

    def next_says(self) -> AnswerContent:
        return self._turns.popleft() if self._turns else self.says

    def fail(self, *names: str, times: int | None = 1) -> None:
        """The next requests meet these failures, in this order, each this many times; None: in turn until recover()."""
        for active in [parse(name) for name in names]:
            queue = self._failures.setdefault(active.failure.kind, deque())
            queue.extend([(active, times is None)] * (1 if times is None else times))

    def recover(self) -> None:
        self._failures.clear()

    def failing(self) -> list[str]:
        return [active.text for queue in self._failures.values() for active, _ in queue]

    def take(self, kind: Kind, used: bool) -> Active | None:
        """The failure that this request meets; `stale` waits for a connection that was used before."""
        queue = self._failures.get(kind)
        if not queue or (queue[0][0].failure.used_only and not used):
            return None
        active, stays = queue.popleft()
        if stays:
            queue.append((active, stays))
        return active

    def hold(self, *, before_headers: bool = False, kind: Kind = "responses") -> None:
        """The next answer stops after its first event, or before its status line, until release()."""
        self._holds.append(Hold(kind, before_headers))
        self.held.clear()
        self.released = asyncio.Event()

    def release(self) -> None:
        self._holds.clear()
        self.released.set()

    def hold_for(self, kind: Kind | None) -> Hold | None:
        """The hold that meets a request of this kind, which is thereby used up."""
        hold = next((each for each in self._holds if each.kind == kind), None)
        if hold:
            self._holds.remove(hold)
        return hold

    async def stand(self, connection: Connection) -> None:
        """Hold an answer until it is released."""
        self.held.set()
        await connection.until(self.released)

    # Who is known.

    def login(
        self,
        expires_in: float = TEN_DAYS,
        email: str = "person@example.org",
        plan: str = "plus",
        account_id: str | None = None,
        fedramp: bool = False,
        residency: str | None = None,
    ) -> dict[str, Any]:
        """A made-up login in the form of auth.json; its tokens are good here and nowhere else."""
        login = Login(email, plan, account_id or str(uuid.uuid4()), fedramp, residency)
        self.oauth.person = login
        return self.tokens.auth_json(login, expires_in)

    def revoke(self, access_token: str) -> None:
        """From now on the token gets 401 token_invalidated."""
        self.tokens.invalidated.add(access_token)

    def approve_device(self, user_code: str | None = None) -> bool:
        """Lets in the device with that code, or every one that waits."""
        waiting = [each for each in self.devices.values() if user_code in (None, each.user_code)]
        for device in waiting:
            device.approved = True
        return bool(waiting)

    def deny_devices(self) -> None:
        """Decline every waiting device."""
        for device in self.devices.values():
            device.denied = True
