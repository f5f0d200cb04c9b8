import asyncio

import pytest
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from codex_proxy.layers import websocket_messages
from codex_proxy.layers.websocket_messages import LONG, MOMENT, Growing, Messages


def message(content: bytes = b"x", from_client: bool = False) -> WebSocketMessage:
    return WebSocketMessage(Opcode.TEXT, from_client, content)


async def test_a_clients_message_comes_dropped() -> None:
    messages = Messages([], lambda: None)
    for from_client in (True, False):
        messages.append(message(from_client=from_client))
    assert [each.dropped for each in messages] == [True, False]


async def test_one_that_nobody_looks_at_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_messages, "FORGOTTEN", 0.01)
    told = asyncio.Event()
    messages = Messages([], told.set)
    seen, forgotten = message(from_client=True), message(from_client=True)
    messages.append(seen)
    messages.looked_at(seen)
    await asyncio.sleep(0.05)
    assert not told.is_set()
    messages.append(forgotten)
    await asyncio.wait_for(told.wait(), 5)


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_messages, "KEPT", 100)
    monkeypatch.setattr(websocket_messages, "MOST", 5)
    messages = Messages([], lambda: None)
    for number in range(10):
        messages.append(WebSocketMessage(Opcode.TEXT, False, b"x" * 10, timestamp=1000.0 + number))
    assert messages.trim() == 1005.0
    assert (len(messages), messages.let_go) == (5, 5)
    messages.append(message(b"x" * 500))
    messages.trim()
    # Never the last turn.
    assert len(messages) == 2


async def test_a_message_is_taken_out_by_itself_not_by_its_looks() -> None:
    messages = Messages([], lambda: None)
    one, same = message(b"same"), message(b"same")
    messages.extend([one, same])
    messages.take_out(one)
    assert messages[0] is same and len(messages) == 1
    messages.take_out(one)
    assert len(messages) == 1


def test_the_events_of_a_turn_grow_as_one_message_and_are_saved_as_one() -> None:
    kept = bytearray(b"data: 1\n\n")
    growing = Growing(kept)
    kept += b"data: 2\n\n"
    assert growing.content == b"data: 1\n\ndata: 2\n\n"
    assert WebSocketMessage.from_state(growing.get_state()).content == growing.content


# A monotonic clock says how long the machine has run, on most systems.
@pytest.mark.parametrize("uptime", [0.0, MOMENT / 2, 3e6])
def test_a_long_one_is_copied_a_few_times_a_second(uptime: float) -> None:
    now = uptime
    kept = bytearray(b"x" * (LONG + 1))
    growing = Growing(kept, lambda: now)
    seen = growing.content
    assert seen == bytes(kept)
    kept += b"y"
    assert growing.content is seen
    now += MOMENT
    assert growing.content == bytes(kept)
    kept += b"z"
    growing.ended()
    assert growing.content == bytes(kept)


async def test_the_events_of_a_turn_become_one_message() -> None:
    messages = Messages([], lambda: None)
    messages.append(message(b"asked", from_client=True))
    kept = bytearray()
    for number in range(3):
        messages.append(newest := message(b"event %d" % number))
        kept += b"data: event %d\n\n" % number
        messages.fold(newest, kept)
        # Addons behind ours look at the last one.
        assert messages[-1] is newest
        assert [each.content for each in messages[:2]] == [b"asked", bytes(kept)]
        assert len(messages) == 3
    settle = messages.turn_over()
    messages.append(message(b"asked again", from_client=True))
    settle()
    kept.clear()
    whole = b"data: event 0\n\ndata: event 1\n\ndata: event 2\n\n"
    assert [each.content for each in messages] == [b"asked", whole, b"asked again"]
