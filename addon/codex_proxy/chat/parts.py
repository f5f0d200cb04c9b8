"""A part of a chat's message in the flat form of the Responses API (docs/backend.md, 4); texts and images stay undecoded."""

from ..raw_json import ABSENT, OBJECT, Object, encoded, first, text

FILE_KEYS = ("file_data", "file_id", "file_url", "filename")


# The keys of such a part that are not lost by it.
TAKEN = {"image_url": ("type", "image_url", "detail"), "file": ("type", "file")}


def flat(part: Object) -> Object | None:
    """An image or a file; None for any other part, and for one of an odd form."""
    kind = text(part.get("type", ABSENT))
    held = part.get(kind, ABSENT) if kind in TAKEN else ABSENT
    if first(held) != b"{" and not (first(held) == b'"' and kind == "image_url"):
        return None
    inner = {"url": held} if first(held) == b'"' else OBJECT.decode(held)
    if kind == "file":
        return {"type": encoded("input_file"), **there({key: inner.get(key, ABSENT) for key in FILE_KEYS})}
    told = {"image_url": inner.get("url", ABSENT), "detail": inner.get("detail", part.get("detail", ABSENT))}
    return {"type": encoded("input_image"), **there(told)}


def there(values: Object) -> Object:
    """Without those that are absent or null."""
    return {key: raw for key, raw in values.items() if first(raw) not in (b"", b"n")}
