"""The outcome of a request, or of one turn of a WebSocket, for the log, the page and the views."""

from typing import Any

import msgspec

from .changes import Change

# Arrival times kept per answer; above this, every second one is dropped.
MARKS = 4096


class Original(msgspec.Struct):
    """The request as the client sent it, without secrets. `body` without its codings, as far as it is kept; sizes in bytes."""

    method: str = ""
    path: str = ""
    headers: list[tuple[str, str]] = []
    body: str | None = None
    body_size: int = 0
    body_cut: bool = False

    def header(self, name: str) -> str:
        """All values of a header, joined; `name` in lower case."""
        return ", ".join(value for each, value in self.headers if each.lower() == name)


class Tokens(msgspec.Struct, rename={"input": "in", "output": "out"}):
    """Tokens of an answer, as OpenAI counts them."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    def line(self) -> str:
        return f"tokens in {self.input} (cached {self.cached}) out {self.output} (reasoning {self.reasoning})"


class Outcome(msgspec.Struct, kw_only=True, eq=False, weakref=True):
    """Times are in monotonic seconds; `marks` are offsets in the answer with the milliseconds since `sent_at` at which they came."""

    model: str = ""
    """The model the client named; `sent_model` is the one that was asked."""
    sent_model: str = ""
    changes: list[Change] = []
    notes: list[str] = []
    sent_at: float | None = None
    """When it was handed over to go to the backend; None where nothing was sent."""
    first_at: float | None = None
    heard_at: float | None = None
    tokens: Tokens | None = None
    error: str = ""
    """Code of a failure that the backend reported."""
    refused: str = ""
    """Code of an answer of the proxy's own."""
    ended: str = ""
    """Type of the last event, or how it ended in mitmproxy's words."""
    marks: list[tuple[int, int]] = []

    @property
    def problem(self) -> str:
        return self.refused or self.error

    def heard(self, now: float) -> None:
        """A piece of the answer came."""
        self.heard_at = now
        if self.first_at is None:
            self.first_at = now

    def mark(self, offset: int, now: float) -> None:
        """The answer has come up to `offset`, in bytes."""
        marks = self.marks
        if len(marks) >= MARKS:
            del marks[1::2]
        # Tuples of numbers, which the garbage collector leaves out; lists it would look through each time, by the million.
        marks.append((offset, round((now - (self.sent_at or now)) * 1000)))


def integer(value: Any) -> int:
    """A count of the backend's, 0 if it is not a number."""
    return value if isinstance(value, int) else 0
