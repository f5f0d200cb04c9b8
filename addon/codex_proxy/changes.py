"""A change to a request, in words a person reads."""

from collections.abc import Iterable
from typing import NamedTuple


class Change(NamedTuple):
    """`field` is where, `what` was done there, `why` in a sentence, `short` for the log line."""

    field: str
    what: str
    why: str
    short: str = ""


def taken_off(field: str, why: str) -> Change:
    return Change(field, "taken off", why, f"-{field}")


def put(field: str, what: str, why: str) -> Change:
    return Change(field, what, why, f"{field} {what}")


def merged(changes: Iterable[Change]) -> list[Change]:
    """The same change at several places counted as one: `input[].id taken off (x3)`."""
    counts: dict[Change, int] = {}
    for change in changes:
        counts[change] = counts.get(change, 0) + 1
    return [
        change if n == 1 else change._replace(what=f"{change.what} (x{n})", short=f"{change.short} (x{n})")
        for change, n in counts.items()
    ]
