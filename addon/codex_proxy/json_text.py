"""Decode JSON from other programs and servers; any fault raises the same exception."""

import json
from typing import Any

# Deeper than any document that is meant, and far from where Python's own limits begin: decoded is not yet written again.
DEEPEST = 100


class NotJson(ValueError):
    """Not JSON, or not usable."""


def decode(data: bytes | str, deepest: int = DEEPEST) -> Any:
    """The value. Raises NotJson for everything that can be wrong: syntax, encoding, nesting, size."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError, MemoryError) as e:
        raise NotJson(str(e) or type(e).__name__) from None
    if is_deeper(value, deepest):
        raise NotJson(f"it is nested deeper than {deepest}")
    return value


def is_deeper(value: Any, deepest: int) -> bool:
    """Are there more than `deepest` lists and objects inside each other?"""
    layer = [value] if isinstance(value, list | dict) else []
    for _ in range(deepest):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | dict)
        ]
    return bool(layer)
