import pytest
import wsproto
from mitmproxy.test.tflow import tserver_conn
from wsproto.connection import ConnectionType
from wsproto.events import CloseConnection, Message, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate

from codex_proxy.layers.websocket_wire import Side, mended
from codex_proxy.output.redact import HIDDEN


def side(limit: int | None = None) -> Side:
    made = Side(wsproto.ConnectionType.SERVER, conn=tserver_conn())
    made.limit = limit
    made.frame_buf = []
    return made


def put(made: Side, *pieces: bytes) -> bytes:
    """As mitmproxy puts a message together (proxy/layers/websocket.py)."""
    for piece in pieces:
        made.frame_buf[-1] += piece
        made.frame_buf.append(b"")
    whole = b"".join(made.frame_buf)
    made.frame_buf = [b""]
    return whole


def test_the_pieces_of_a_message_are_one() -> None:
    made = side()
    made.frame_buf[-1] += b"one"
    made.frame_buf.append(b"")
    made.frame_buf[-1] += b" two"
    assert [bytes(piece) for piece in made.frame_buf] == [b"one two"]
    made.frame_buf = [b""]
    assert put(made, b"next") == b"next"


def test_a_message_over_the_limit_is_not_held() -> None:
    made = side(limit=10)
    assert put(made, b"12345", b"678") == b"12345678"
    assert not made.was_too_large
    assert put(made, b"12345", b"678901", b"x" * 100) == b""
    assert made.was_too_large
    assert put(made, b"short") == b"short"
    assert not made.was_too_large


@pytest.mark.parametrize("said", [b"", b'{"type":"error"}'])
def test_a_lost_backend_is_no_normal_end(said: bytes) -> None:
    """wsproto would make 1006 a 1000."""
    made = side()
    made.last_words = lambda: (said, 1011, "lost")
    peer = wsproto.connection.Connection(wsproto.ConnectionType.CLIENT)
    peer.receive_data(made.send(CloseConnection(1006)))
    found = list(peer.events())
    assert isinstance(found[-1], CloseConnection) and found[-1].code == 1011
    assert [event.data for event in found if isinstance(event, TextMessage)] == ([said.decode()] if said else [])


@pytest.mark.parametrize(
    ("reason", "told"),
    [("done", "done"), ("a\x1b[31m\n\u202eb", "a\\x1b[31m\\n\\u202eb"), ("you sent Bearer a1b2c3d4e5f6", f"you sent Bearer {HIDDEN}")],
)  # fmt: skip
def test_a_close_reason_is_shown_safe_and_without_secrets(reason: str, told: str) -> None:
    made = side()
    made.receive_data(wsproto.connection.Connection(wsproto.ConnectionType.CLIENT).send(CloseConnection(1000, reason)))
    [event] = made.events()
    assert isinstance(event, CloseConnection) and (event.code, event.reason) == (1000, told)


def agreed(parameters: str) -> PerMessageDeflate:
    made = PerMessageDeflate()
    made.finalize(f"permessage-deflate; {parameters}")
    return made


@pytest.mark.parametrize("kind", ConnectionType)
@pytest.mark.parametrize(
    "parameters", ["", "client_no_context_takeover; server_no_context_takeover", "client_max_window_bits=10"]
)
@pytest.mark.parametrize("compressed", [True, False])
def test_control_frames_may_come_at_any_place(kind: ConnectionType, parameters: str, compressed: bool) -> None:
    """RFC 6455 section 5.4; a message need not be compressed where it may be (RFC 7692 section 6)."""
    other = ConnectionType.SERVER if kind is ConnectionType.CLIENT else ConnectionType.CLIENT
    peer = wsproto.connection.Connection(other, [agreed(parameters)] if compressed else [])
    made = Side(kind, [mended(agreed(parameters))], conn=tserver_conn())
    for text in ("one ü " * 50, "two ü " * 50):
        pieces = [text[:20], text[20:40], text[40:]]
        for piece in pieces:
            made.receive_data(peer.send(Ping(b"?")))
            made.receive_data(peer.send(TextMessage(piece, message_finished=piece is pieces[-1])))
        found = list(made.events())
        assert "".join(event.data for event in found if isinstance(event, Message)) == text
        assert sum(isinstance(event, Ping) for event in found) == 3
    assert isinstance(found[-1], Message) and found[-1].message_finished
