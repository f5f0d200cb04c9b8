"""Registry of the secrets in use; text that repeats one, in whatever form, is shown without it."""

import base64
import html
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

# Shorter ones are words of the language as well, and would be hidden everywhere; in characters.
SHORTEST = 6

# How many of each kind are known, the most recent ones: those from before a renewal may still be repeated.
KEPT = 8

# Of a JWT, the parts that are this long tell something by themselves; its first part is everybody's. In characters.
PART = 16

PERCENT = re.compile("%[0-9A-F]{2}")


class KnownSecrets:
    """Threads may use it at the same time."""

    def __init__(self) -> None:
        self._kinds: dict[str, OrderedDict[str, tuple[str, ...]]] = {}
        self._needles: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def know(self, kind: str, *values: str | None) -> None:
        """From now on these are hidden, until KEPT newer ones of the kind are known."""
        with self._lock:
            known = self._kinds.setdefault(kind, OrderedDict())
            before = len(known), self._needles
            for value in values:
                if not value or len(value) < SHORTEST:
                    continue
                if value in known:
                    known.move_to_end(value)
                    continue
                known[value] = tuple(forms(value))
                self._needles = ()
            while len(known) > KEPT:
                known.popitem(last=False)
            if (len(known), self._needles) != before:
                every = {form for each in self._kinds.values() for held in each.values() for form in held}
                # The longest first: one may be a part of another.
                self._needles = tuple(sorted(every, key=len, reverse=True))

    def hide(self, text: str, shown: str) -> str:
        """`text` with `shown` for each of them."""
        for needle in self._needles:
            if needle in text:
                text = text.replace(needle, shown)
        return text


def forms(value: str) -> Iterator[str]:
    """A secret as it may be repeated: as it is, in JSON, an address, HTML, base64, hexadecimal; of a JWT also its parts."""
    found = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], html.escape(value)}
    found |= {each.replace("/", "\\/") for each in list(found)}
    data = value.encode("utf-8", "surrogatepass")
    for coded in (quote(data, safe=""), quote(data), quote_plus(data)):
        found |= {coded, coded.replace("%", "%25")}
    if len(value) <= 64:
        found |= {value.lower(), value.upper()}
    found |= {PERCENT.sub(lambda hit: hit[0].lower(), each) for each in list(found)}
    found |= {*base64_forms(data), data.hex(), data.hex().upper()}
    if value.count(".") == 2:
        found |= {part for part in value.split(".")[1:] if len(part) >= PART}
    yield from (each for each in found if len(each) >= SHORTEST)


def base64_forms(data: bytes) -> Iterator[str]:
    """What is in base64 wherever the data begins in what was encoded, in both alphabets."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + data).decode()
        # Characters that are made of nothing but the data.
        inner = coded[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")
