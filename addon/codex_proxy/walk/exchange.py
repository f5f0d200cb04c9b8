"""One request and its answer, as the proxy knows them: held beside the flow, never in it."""

import msgspec

from ..changes import Change
from ..dialect import Translation
from ..errors import ProxyError
from ..front.routes import NO_ROUTE, Route
from ..memory.store import Part
from ..outcome import Original, Outcome
from ..websocket.turns import Connection, TurnRecord


class Exchange(Outcome, kw_only=True, eq=False, weakref=True):
    """What the steps learn of a request. `saved.py` says what of it is saved; nothing here is a secret."""

    method: str = ""
    path: str = ""
    """As the client wrote it, without query and secrets."""
    original: Original | None = None
    caller: str = ""
    """Opaque id of the caller (front/caller.py)."""
    page: str = ""
    """Origin of the web page that calls, where one may."""
    route: Route = NO_ROUTE
    client: str = ""
    """Its `User-Agent`."""
    hidden: bool = False
    """A poll of the status page, hidden from the other addons."""
    number: int = 0
    is_official: bool = False
    """Is it the Codex CLI, or a program built on it?"""

    token: str = ""
    """Fingerprint of the access token it goes with; empty: none."""
    token_ends: float | None = None
    """In unix seconds."""
    login: str = ""
    """Fingerprint of the account."""
    token_was_sent: bool = False

    session: str = ""
    lite: bool = False
    header_changes: list[Change] = msgspec.field(default_factory=list)
    too_large: bool = False
    stream: bool = False
    believes_stored: bool = False
    cache_key: str = ""
    translation: Translation | None = None
    """How a request of another dialect wants to be answered."""
    asked: list[Part] | None = None
    """The request's part of a conversation that is to be remembered with its answer."""

    gave_up: str = ""
    """At which stage the proxy gave the backend up, and after how long, in seconds."""
    gave_up_after: float = 0.0
    retried: bool = False
    stopped: bool = False
    """The client wanted no more, and the backend's connection was ended for it."""
    redirect_host: str = ""
    failure: ProxyError | None = None
    """What a step on the way down raised before the answer was whole."""
    turns: list[TurnRecord] = msgspec.field(default_factory=list)
    connection: Connection | None = None
    """The WebSocket, while it is open."""

    @property
    def was_sent(self) -> bool:
        return self.sent_at is not None

    def note(self, text: str) -> None:
        """Add a note for the log line and the flow's comment."""
        self.notes.append(text)
