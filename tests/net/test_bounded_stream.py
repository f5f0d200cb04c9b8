import asyncio
import socket

import httpcore2
import pytest

from codex_proxy.message.encodings import TooLarge
from codex_proxy.net.bounded_stream import HEADS, Backend


async def test_a_connection_that_does_not_come_about_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(httpcore2.ConnectError):
            await Backend(1).connect_tcp("127.0.0.1", taken.getsockname()[1], 5)
    with pytest.raises(httpcore2.ConnectError):
        await Backend(1).connect_tcp("no-such-name.invalid", 1, 20)


def test_what_may_come_is_counted() -> None:
    backend = Backend(1000)
    backend.count(HEADS)
    with pytest.raises(TooLarge):
        backend.count(1)
    backend.head_has_come()
    backend.count(HEADS + 2000)
    with pytest.raises(TooLarge):
        backend.count(1)


@pytest.mark.parametrize("handshakes, error", [(1, httpcore2.ConnectTimeout), (0, httpcore2.ReadTimeout)])
async def test_a_proxy_that_says_nothing_of_a_tunnel_is_given_up_as_a_connection(
    handshakes: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codex_proxy.net.policy.CONNECT_TIMEOUT", 0.1)
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: accepted.put_nowait(writer), "127.0.0.1", 0)
    stream = await Backend(1, handshakes).connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1], 5)
    with pytest.raises(error):
        await stream.read(1, 300 if handshakes else 0.1)
    await stream.aclose()
    (await accepted.get()).close()
    server.close()
