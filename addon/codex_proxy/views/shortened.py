"""JSON values of any form: read with care, and shown in short form."""

import re
from typing import Any

import msgspec

from .layout import clip, count, one_line, size

# Of JSON: characters of text in all and in one value, values in all, levels.
JSON_ROOM, JSON_TEXT, JSON_VALUES, JSON_LEVELS = 40_000, 2_000, 2_500, 40

BASE64 = re.compile(r"[\w+/=-]+")
DATA_URL = re.compile(r"data:([\w.+/-]*)[^,]{0,100};base64,")


class Shortener:
    """JSON values as they are shown: without long base64 and texts longer than `longest`, and not too many of them."""

    def __init__(self, room: int = JSON_ROOM, longest: int = JSON_TEXT) -> None:
        self.room, self.longest, self.values = room, longest, JSON_VALUES

    def __call__(self, value: Any, key: str = "", level: int = 0) -> Any:
        self.values -= 1
        match value:
            case str():
                return self._text(str(value), key)
            case list() | dict() if level >= JSON_LEVELS:
                return f"… {count(len(value), 'value')} …"
            case list():
                return self._list(value, key, level + 1)
            case dict():
                return self._object(value, level + 1)
            case int() if abs(value) >= 1 << 63:
                return float(value) if abs(value) < 1 << 1000 else "…"
        return value

    def _list(self, value: list[Any], key: str, level: int) -> list[Any]:
        shown: list[Any] = []
        for place, one in enumerate(value):
            if self.values <= 0:
                shown.append(f"… {len(value) - place:,} more …")
                break
            shown.append(self(one, key, level))
        return shown

    def _object(self, value: dict[str, Any], level: int) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for place, (key, one) in enumerate(value.items()):
            if self.values <= 0:
                shown["…"] = f"{len(value) - place:,} more"
                break
            shown[clip(key, 200, " … {} left out … ")] = self(one, key, level)
        return shown

    def _text(self, value: str, key: str) -> str:
        if key == "encrypted_content":
            return encrypted(value)
        if (found := binary(value)) is not None:
            kind, length = found
            return f"{value[:24]}… ({kind}, {size(length)})"
        limit = max(80, min(self.longest, self.room // 2))
        self.room -= min(len(value), limit)
        return clip(value, limit, " … {} left out … ")


def encrypted(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:16]}… ({count(len(value), 'character')})"


def binary(value: str) -> tuple[str, int] | None:
    """Type and size in bytes of what a text holds as base64; None if it holds none, or little."""
    if found := DATA_URL.match(value):
        return found[1] or "data", (len(value) - found.end()) * 3 // 4
    if len(value) > 400 and BASE64.fullmatch(value, 0, 400):
        return "base64", len(value) * 3 // 4
    return None


def compact(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(Shortener()(value)), indent=0).decode()


def pretty(value: Any, limit: int = JSON_ROOM, longest: int = JSON_TEXT) -> str:
    """A value as JSON, in one line where that is short."""
    raw = msgspec.json.encode(Shortener(limit, longest)(value))
    flat = msgspec.json.format(raw, indent=0).decode()
    return flat if len(flat) <= 100 else msgspec.json.format(raw, indent=2).decode()


def line(value: Any, limit: int = 100) -> str:
    """A value in one line."""
    return one_line(value if isinstance(value, str) else compact(value), limit)


def parsed(text: str) -> Any:
    """The value of a JSON text; None if it is not JSON."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; empty if it is not a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
