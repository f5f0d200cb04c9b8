"""Upper bounds for the contents of one request. No known client comes near them; abuse is refused before it costs anything.

In addition `codex_body_limit` bounds the bytes.
"""

from collections.abc import Iterator, Sized

from .errors import ProxyError
from .raw_json import ABSENT, Object

# Bodies up to this size are not counted, in bytes, and commas up to this number not looked at: they are of texts as well.
UNCOUNTED, COMMAS = 1 << 20, 100_000

# Values in a body; escapes in its texts; keys at its top level, and in an item; items in `input`, or `messages`; parts in one of
# them; tools.
VALUES, ESCAPES, FIELDS, ITEMS, PARTS, TOOLS = 200_000, 2_000_000, 1_000, 20_000, 5_000, 5_000

# Corrections in all items together.
CHANGES = 100_000

# Looked through at a time, in bytes.
PIECE = 1 << 20

# Texts that are looked up, logged or kept beside a flow, in bytes of JSON.
LONGEST = {"model": 512, "prompt_cache_key": 4096, "previous_response_id": 4096, "type": 512, "service_tier": 512}

# Texts of `stop`, and their characters: each is looked for in every piece of the answer.
STOPS, LONGEST_STOP = 16, 256


def check_size(data: bytes) -> None:
    """Before a body is decoded. Raises ProxyError 400."""
    if len(data) <= UNCOUNTED:
        return
    if data.count(b"\\") > ESCAPES:
        raise too_much(f"The texts of the request body have more than {ESCAPES:,} escapes (\\n, \\u00e9)")
    if data.count(b",") > COMMAS and _values(data) > VALUES:
        raise too_much(f"The request body has more than {VALUES:,} values")


def _values(data: bytes) -> int:
    """The number of commas outside of strings, which precede values; counting stops above the limit."""
    found, inside = 0, False
    for piece in _pieces(data):
        # Escaped quotes do not end a text, and escaped backslashes escape none.
        between = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        found += b"".join(between[1 if inside else 0 :: 2]).count(b",")
        inside ^= len(between) % 2 == 0
        if found > VALUES:
            break
    return found


def _pieces(data: bytes) -> Iterator[bytes]:
    """The bytes in pieces, none of which ends inside an escape."""
    start = 0
    while start < len(data):
        end = start + PIECE
        # With what follows the backslashes, which may be of the escape.
        while data[end - 1 : end] == b"\\":
            end += 1
        yield data[start:end]
        start = end


def check_fields(body: Object) -> None:
    """The top level of a body. Raises ProxyError 400."""
    if len(body) > FIELDS:
        raise too_much(f"The request body has {len(body):,} fields; at most {FIELDS:,} are accepted", "")
    for name, most in LONGEST.items():
        size = memoryview(body.get(name, ABSENT)).nbytes
        if size > most:
            raise too_much(f"`{name}` has {size:,} bytes; at most {most:,} are accepted", "", name)


def check_count(what: str, found: Sized | int, most: int) -> None:
    """Raises ProxyError 400 where there are too many of `what`."""
    number = found if isinstance(found, int) else len(found)
    if number > most:
        raise too_much(f"There are {number:,} {what}; at most {most:,} are accepted", "")


def too_much(what: str, most: str = ", more than the proxy accepts", param: str | None = None) -> ProxyError:
    extra = {"param": param} if param else {}
    return ProxyError("too_much", f"{what}{most}. Nothing was sent to the backend.", status=400, extra=extra)
