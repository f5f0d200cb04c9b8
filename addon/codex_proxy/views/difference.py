"""Unified diff of two requests in bounded time: it runs on the event loop, and bodies have up to a hundred thousand lines.

difflib alone takes 23 s for the 6,000 items of a body of 770 kB. So parts are compared first, a field of the body or an
item of its lists, and lines only inside a changed part.
"""

import difflib
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

Part = list[str]

# How far a part is looked for that stands elsewhere, in parts.
AHEAD = 40

# Lines of two parts that are compared one with each other, at most; larger ones are replaced as a whole.
COMPARED = 40_000

# Shown of a diff in lines, of a line in characters.
LINES, LINE = 3_000, 2_000


def request_lines(method: str, path: str, headers: Sequence[Sequence[str]], body: str) -> list[str]:
    """A request as lines to compare: head in order of names, body as indented JSON, its values as they were written."""
    head = sorted((name.lower(), value) for name, value in headers)
    return [f"{method} {path}", *(f"{name}: {value}" for name, value in head), "", *body_lines(body)]


def body_lines(body: str) -> list[str]:
    """JSON without the commas at the ends of lines, which a neighbour that came or went would change."""
    try:
        return [line.removesuffix(",") for line in msgspec.json.format(body, indent=1).split("\n")]
    except (msgspec.DecodeError, UnicodeError):
        return body.splitlines()


def unified(before: Sequence[str], after: Sequence[str], names: tuple[str, str], context: int = 2) -> str:
    """The diff of `before` and `after`; empty if there is none. Long ones are cut, and say so."""
    found = list(islice(_hunks(_aligned(parts(before), parts(after)), context), LINES + 1))
    if not found:
        return ""
    told = [line if len(line) <= LINE else f"{line[:LINE]} … {len(line) - LINE:,} characters more …" for line in found]
    rest = ["… more is left out …"] if len(found) > LINES else []
    return "\n".join([f"--- {names[0]}", f"+++ {names[1]}", *told[:LINES], *rest])


def parts(lines: Sequence[str]) -> list[Part]:
    """Lines in groups: each a field of the body, or an item of a list that is a field."""
    found: list[Part] = []
    for line in lines:
        if not found or not line.startswith(("   ", "  }", "  ]")):
            found.append([])
        found[-1].append(line)
    return found


def _aligned(before: list[Part], after: list[Part]) -> Iterator[tuple[str, str]]:
    """Each line with a mark: `-` only before, `+` only after, ` ` in both."""
    left = right = 0
    while left < len(before) and right < len(after):
        if before[left] == after[right]:
            yield from ((" ", line) for line in before[left])
            left, right = left + 1, right + 1
            continue
        taken, put = _resumed(before, left, after, right)
        if taken or put:
            yield from (("-", line) for part in before[left : left + taken] for line in part)
            yield from (("+", line) for part in after[right : right + put] for line in part)
            left, right = left + taken, right + put
        else:
            yield from _inside(before[left], after[right])
            left, right = left + 1, right + 1
    yield from (("-", line) for part in before[left:] for line in part)
    yield from (("+", line) for part in after[right:] for line in part)


def _resumed(before: list[Part], left: int, after: list[Part], right: int) -> tuple[int, int]:
    """How many parts were removed or inserted before both continue alike; 0, 0 if neither."""
    for ahead in range(1, AHEAD):
        if left + ahead < len(before) and before[left + ahead] == after[right]:
            return ahead, 0
        if right + ahead < len(after) and before[left] == after[right + ahead]:
            return 0, ahead
    return 0, 0


def _inside(before: Part, after: Part) -> Iterator[tuple[str, str]]:
    """Two forms of one part, line by line."""
    head = _alike(before, after)
    tail = _alike(before[head:][::-1], after[head:][::-1])
    left, right = before[head : len(before) - tail], after[head : len(after) - tail]
    yield from ((" ", line) for line in before[:head])
    if len(left) * len(right) > COMPARED:
        operations = [("replace", 0, len(left), 0, len(right))]
    else:
        operations = list(difflib.SequenceMatcher(None, left, right).get_opcodes())
    for kind, first, last, start, stop in operations:
        if kind == "equal":
            yield from ((" ", line) for line in left[first:last])
        else:
            yield from (("-", line) for line in left[first:last])
            yield from (("+", line) for line in right[start:stop])
    yield from ((" ", line) for line in before[len(before) - tail :])


def _alike(before: Part, after: Part) -> int:
    """How many lines both begin with."""
    return next(
        (n for n, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), min(len(before), len(after))
    )


def _hunks(marked: Iterator[tuple[str, str]], context: int) -> Iterator[str]:
    """Changed lines with `context` unchanged ones around them, each run of them under its `@@` line."""
    waiting: list[str] = []
    left = right = 1
    after = -1  # unchanged lines still to be shown behind a change; -1 before the first
    for mark, line in marked:
        if mark != " ":
            if after < 0:
                yield f"@@ -{left - len(waiting)} +{right - len(waiting)} @@"
            yield from (f" {kept}" for kept in waiting)
            yield mark + line
            waiting, after = [], context
        elif after > 0:
            yield f" {line}"
            after -= 1
        else:
            waiting.append(line)
            if len(waiting) > context:
                del waiting[0]
                after = -1
        left, right = left + (mark != "+"), right + (mark != "-")
