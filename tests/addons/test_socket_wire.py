import pytest
import wsproto
from mitmproxy.test.tflow import tserver_conn
from wsproto.events import CloseConnection, TextMessage

from codex_proxy.addons.socket_wire import Side


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
