"""What the proxy knows of a request or a WebSocket turn, in addition to the bytes shown."""

from collections.abc import Sequence
from typing import NamedTuple

from ..changes import Change


class Known(NamedTuple):
    """`marks` are offsets in the answer with the milliseconds at which they came; `ended` is how it ended."""

    model: str = ""
    sent_model: str = ""
    changes: Sequence[Change] = ()
    header_changes: Sequence[Change] = ()
    notes: Sequence[str] = ()
    marks: Sequence[tuple[int, int]] = ()
    ended: str = ""


NOTHING = Known()
