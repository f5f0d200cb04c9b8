"""Parse a request's body at its top level, unambiguous and within bounds. Every body that goes up passes through here."""

import contextlib
from collections.abc import Iterator

import msgspec

from .. import bounds, lone_surrogates
from ..errors import ProxyError
from ..raw_json import OBJECT, Object
from . import one_meaning


def opened(data: bytes) -> Object:
    """The top level of a body, for `patch`, which raises the same."""
    with readable():
        return decode(data)


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """Turns decoding errors into ProxyError 400."""
    try:
        yield
    except UnicodeDecodeError as e:
        raise ProxyError("invalid_json", f"The request body is not JSON: it is not UTF-8 ({e.reason}).") from e
    except (msgspec.MsgspecError, RecursionError) as e:
        raise ProxyError("invalid_json", f"The request body can't be read: {e}.") from e


def decode(data: bytes) -> Object:
    """The top level of a body. Raises ProxyError."""
    if not data.strip():
        raise ProxyError("empty_body", "The request has no body; a JSON object with `model` and `input` is expected.")
    bounds.check_size(data)
    try:
        body = OBJECT.decode(data)
    except msgspec.DecodeError as e:
        if isinstance(e, msgspec.ValidationError):
            raise ProxyError("not_an_object", "The request body is JSON, but not an object.") from e
        if (mended := lone_surrogates.replaced(data)) is not None:
            return lone_surrogates.Mended(decode(mended))
        raise ProxyError("invalid_json", f"The request body is not JSON: {e}.") from e
    bounds.check_fields(body)
    one_meaning.check(data, body)
    return body
