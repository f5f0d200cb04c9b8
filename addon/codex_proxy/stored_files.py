"""Files that are named by an id: nothing is stored behind this backend, and it does not even answer (docs/backend.md, 4.2)."""

from .errors import ProxyError
from .raw_json import ABSENT, Object, first, text

# Where a part, or a screenshot, has what its `file_id` would stand for.
CONTENT = ("image_url", "file_data", "file_url")


def without(part: Object, param: str) -> Object:
    """A part that names no stored file. Raises ProxyError 400 where it has nothing else; `param` says where that is."""
    if not text(part.get("file_id", ABSENT)):
        return part
    if all(first(part.get(key, ABSENT)) in (b"", b"n") for key in CONTENT):
        raise ProxyError(
            "not_supported",
            "A `file_id` can't be used: no files are stored behind this backend. Send the file itself: an image as a data URL in"
            " `image_url`, any other as `file_data`.",
            extra={"param": param},
        )  # fmt: skip
    return {key: raw for key, raw in part.items() if key != "file_id"}
