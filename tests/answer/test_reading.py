import msgspec
import pytest

from codex_proxy.answer.reading import is_utf8, readable


@pytest.mark.parametrize(
    "data, delta",
    [
        (b'{"type":"t","delta":"a"}', "a"),
        (b'{"type":"t","delta":"\xff"}', "\ufffd"),
        (rb'{"type":"t","delta":"\ud83d"}', "\ufffd"),
        (rb'{"type":"t","delta":"\ud83d\ude00"}', "😀"),
        (b'{"type":"t","delta":["odd"]}', ["odd"]),
    ],
)
def test_an_event_is_read_with_odd_characters_replaced(data: bytes, delta: object) -> None:
    mended, event = readable(data)
    assert event.delta == delta and is_utf8(mended)


@pytest.mark.parametrize("data", [b"", b"5", b'{"type":5}', b"no json"])
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        readable(data)
