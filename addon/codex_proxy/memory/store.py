"""In-memory cache of past responses, per caller, for clients that rely on server-side storage; bounded in bytes and age.

A conversation is a chain of items, each linked to the one before it. Conversations with the same beginning share it, so each turn
of a growing one costs only its new items.
"""

import functools
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Concatenate, NamedTuple

import msgspec

from ..call_pairs import CALLS

# What a kept item costs beside its own bytes, and an answer with its names; measured, in bytes.
ITEM_COST = 500
ANSWER_COST = 1000

# How long an answer is kept after it was last asked for, in seconds.
AGE = 24 * 3600.0

Key = tuple[str, str]
"""A caller, and the id of an answer."""


class Part(NamedTuple):
    """An item of a conversation, and a digest that tells it from others."""

    digest: bytes
    item: msgspec.Raw


class _Shape(msgspec.Struct):
    """What is read of an item."""

    type: str | None = None
    id: str | None = None
    call_id: str | None = None
    encrypted_content: str | None = None


class _Response(msgspec.Struct):
    id: str = ""
    output: list[msgspec.Raw] = []


class _Request(msgspec.Struct):
    input: list[msgspec.Raw] = []


@dataclass(slots=True, eq=False)
class _Link:
    """An item after the one `before` it; `uses` counts the links and answers that lead here."""

    item: bytes
    before: "_Link | None"
    key: "tuple[_Link | str, bytes]"
    uses: int = 0


@dataclass(slots=True)
class _Answer:
    """`asked` is the last item of its request, `last` that of its own; `whole`: does the chain hold the request?"""

    used_at: float
    asked: _Link | None
    last: _Link | None
    whole: bool
    names: "dict[tuple[str, str, str], _Link]" = field(default_factory=dict)


def parts(items: Iterable[msgspec.Raw]) -> list[Part]:
    """Items ready to be remembered: the work that grows with their size, and may be done in a thread."""
    return [Part(hashlib.blake2b(item, digest_size=16).digest(), item) for item in items]


def parts_of_request(body: bytes) -> list[Part]:
    """Those of a request's `input`; none where it has no list there."""
    try:
        return parts(msgspec.json.decode(body, type=_Request).input)
    except msgspec.MsgspecError:
        return []


def locked[**P, T](
    method: Callable[Concatenate["ResponseStore", P], T],
) -> Callable[Concatenate["ResponseStore", P], T]:
    @functools.wraps(method)
    def alone(self: "ResponseStore", /, *arguments: P.args, **keywords: P.kwargs) -> T:
        with self._lock:
            return method(self, *arguments, **keywords)

    return alone


class ResponseStore:
    """`room` is how many bytes are kept, 0 for nothing; what was asked for longest ago goes first."""

    def __init__(self, room: int = 64 << 20, age: float = AGE, clock: Callable[[], float] = time.monotonic) -> None:
        self.room = room
        self.age = age
        self.clock = clock
        self.size = 0
        # A request is patched in a thread, while the loop keeps answers.
        self._lock = threading.RLock()
        self._links: dict[tuple[_Link | str, bytes], _Link] = {}
        self._answers: OrderedDict[Key, _Answer] = OrderedDict()
        # (caller, "item" or "call", its id) → the answer it stands in.
        self._named: dict[tuple[str, str, str], Key] = {}

    def __len__(self) -> int:
        """How many answers there are."""
        return len(self._answers)

    @locked
    def remember(self, caller: str, asked: Sequence[Part] | None, response: bytes) -> None:
        """Keep a good answer, its response object as JSON, after what was asked: `parts` of all that went up.

        None for `asked` keeps the answer alone, if there is a call in it: its items, but no conversation.
        """
        try:
            answered = msgspec.json.decode(response, type=_Response)
            output = [(part, msgspec.json.decode(part.item, type=_Shape)) for part in parts(answered.output)]
        except msgspec.MsgspecError:
            return
        if not answered.id or sum(_cost(part) for part in (*(asked or ()), *(each for each, _ in output))) > self.room:
            return
        if asked is None and not any(shape.type in CALLS for _, shape in output):
            return
        key = (caller, answered.id)
        self._forget(key)
        last = self._chained(caller, None, asked or ())
        answer = _Answer(self.clock(), last, last, asked is not None)
        for part, shape in output:
            answer.last = self._chained(caller, answer.last, [part])
            assert answer.last
            if shape.id:
                answer.names[caller, "item", shape.id] = answer.last
            if shape.call_id and shape.type in CALLS:
                answer.names[caller, "call", shape.call_id] = answer.last
        if answer.last:
            answer.last.uses += 1
        self._answers[key] = answer
        self._named.update(dict.fromkeys(answer.names, key))
        self.size += ANSWER_COST
        self.trim()

    @locked
    def trim(self) -> None:
        """Forget what is too old, and the oldest if there is too much."""
        oldest = self.clock() - self.age
        while self._answers and (self.size > self.room or self._answers[next(iter(self._answers))].used_at < oldest):
            self._forget(next(iter(self._answers)))

    @locked
    def item(self, caller: str, item_id: str) -> msgspec.Raw | None:
        """An item of an answer by its id; None if it is not known (any more)."""
        found = self._find(caller, "item", item_id)
        return msgspec.Raw(found[1].item) if found else None

    @locked
    def conversation(self, caller: str, response_id: str) -> list[msgspec.Raw] | None:
        """All items up to and with those of an answer; None if it is not known (any more)."""
        answer = self._used((caller, response_id))
        if answer is None or not answer.whole:
            return None
        return [msgspec.Raw(link.item) for link in _back(answer.last, None)][::-1]

    @locked
    def reasoning_before(self, caller: str, call_id: str) -> list[msgspec.Raw]:
        """The reasoning that led to a call, with its encrypted content: what its answer has between the call before it
        and this one, so that parallel calls do not have it twice."""
        if not (found := self._find(caller, "call", call_id)):
            return []
        answer, call = found
        reasoning = []
        for link in _back(call.before, answer.asked):
            shape = msgspec.json.decode(link.item, type=_Shape)
            if shape.type in CALLS:
                break
            if shape.type == "reasoning" and shape.encrypted_content:
                reasoning.append(msgspec.Raw(link.item))
        return reasoning[::-1]

    def _find(self, caller: str, kind: str, name: str) -> tuple[_Answer, _Link] | None:
        key = self._named.get((caller, kind, name))
        answer = self._used(key) if key else None
        return (answer, answer.names[caller, kind, name]) if answer else None

    def _used(self, key: Key) -> _Answer | None:
        """An answer that is asked for, which keeps it for longer."""
        self.trim()
        if answer := self._answers.get(key):
            self._answers.move_to_end(key)
            answer.used_at = self.clock()
        return answer

    def _chained(self, caller: str, last: _Link | None, new: Iterable[Part]) -> _Link | None:
        """The link of the last of some items that come after `last`."""
        for part in new:
            key = (last or caller, part.digest)
            link = self._links.get(key)
            if link is None:
                # A copy: the item is a piece of a body that would be kept with it.
                link = self._links[key] = _Link(bytes(part.item), last, key)
                self.size += _cost(part)
                if last:
                    last.uses += 1
            last = link
        return last

    def _forget(self, key: Key) -> None:
        answer = self._answers.pop(key, None)
        if answer is None:
            return
        self.size -= ANSWER_COST
        for name in answer.names:
            if self._named.get(name) == key:
                del self._named[name]
        link = answer.last
        while link:
            link.uses -= 1
            if link.uses:
                break
            del self._links[link.key]
            self.size -= len(link.item) + ITEM_COST
            link = link.before


def _cost(part: Part) -> int:
    return memoryview(part.item).nbytes + ITEM_COST


def _back(link: _Link | None, end: _Link | None) -> Iterator[_Link]:
    """The links from one on backwards, up to `end`, which is not among them."""
    while link and link is not end:
        yield link
        link = link.before


@dataclass(frozen=True)
class CallerView:
    """The view of one caller: only what its own requests stored."""

    store: ResponseStore
    caller: str

    def item(self, item_id: str) -> msgspec.Raw | None:
        return self.store.item(self.caller, item_id)

    def conversation(self, response_id: str) -> list[msgspec.Raw] | None:
        return self.store.conversation(self.caller, response_id)

    def reasoning_before(self, call_id: str) -> list[msgspec.Raw]:
        return self.store.reasoning_before(self.caller, call_id)
