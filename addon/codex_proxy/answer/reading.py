"""Read an event of the backend's; large values stay undecoded."""

from typing import Any

import msgspec

from .. import lone_surrogates
from ..raw_json import ABSENT


class Event(msgspec.Struct):
    """What is read of an event."""

    type: str = ""
    sequence_number: Any = None
    output_index: Any = None
    item_id: Any = None
    content_index: Any = None
    summary_index: Any = None
    delta: Any = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    input: Any = None
    part: msgspec.Raw = ABSENT
    item: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT
    code: Any = None
    message: Any = None


class Named(msgspec.Struct):
    """What is read of an item or a part."""

    type: Any = None
    id: Any = None
    call_id: Any = None


EVENT = msgspec.json.Decoder(Event)
NAMED = msgspec.json.Decoder(Named)


def readable(data: bytes) -> tuple[bytes, Event]:
    """An event with U+FFFD for invalid UTF-8, as event readers do (WHATWG HTML 9.2.6), and for lone surrogates, which
    strict JSON readers refuse: neither should cost a turn. Raises msgspec.MsgspecError."""
    # Not seen by msgspec while it is in a value that stays undecoded.
    data = data if is_utf8(data) else data.decode("utf-8", "replace").encode()
    try:
        return data, EVENT.decode(data)
    except msgspec.MsgspecError:
        if (mended := lone_surrogates.replaced(data)) is None:
            raise
    return mended, EVENT.decode(mended)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
