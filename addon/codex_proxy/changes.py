"""Describe a change to a request for the log and the views."""

from collections.abc import Iterable
from typing import NamedTuple


class Change(NamedTuple):
    """`field` is where, `what` was done there, `why` in a sentence, `short` for the log line."""

    field: str
    what: str
    why: str
    short: str = ""


# Limits for the log: characters of a change, as it quotes the client, and different changes of a request.
LONGEST, MOST = 120, 100


def taken_off(field: str, why: str) -> Change:
    field = _cut(field)
    return Change(field, "taken off", why, f"-{field}")


def put(field: str, what: str, why: str) -> Change:
    field, what = _cut(field), _cut(what)
    return Change(field, what, why, f"{field} {what}")


def merged(changes: Iterable[Change]) -> list[Change]:
    """The same change at several places counted as one: `input[].id taken off (x3)`."""
    counts: dict[Change, int] = {}
    others = 0
    for change in changes:
        if change in counts or len(counts) < MOST:
            counts[change] = counts.get(change, 0) + 1
        else:
            others += 1
    told = [
        change if n == 1 else change._replace(what=f"{change.what} (x{n})", short=f"{change.short} (x{n})")
        for change, n in counts.items()
    ]
    return [*told, put("request", f"{others} more changes", "too many to list one by one")] if others else told


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
