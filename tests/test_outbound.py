import asyncio
import socket
from collections.abc import Callable, Iterator

import httpx2
import pytest

from codex_proxy import outbound
from codex_proxy.backend import transport_errors


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield "http://{}:{}/".format(*taken.getsockname())


async def failed(url: str) -> str:
    with pytest.raises(httpx2.HTTPError) as caught:
        await outbound.send("GET", url, [], b"", 5)
    return outbound.why(caught.value)


async def test_a_refused_connection_is_called_one(nobody: str) -> None:
    why = await failed(nobody)
    assert "Connect call failed" in why
    assert transport_errors.explain(why, "chatgpt.com").code == "backend_unreachable"


@pytest.mark.parametrize(
    "answer, code",
    [
        (lambda writer: None, "backend_closed"),
        (lambda writer: writer.transport.abort(), "backend_closed"),
        (lambda writer: writer.write(b"SSH-2.0-OpenSSH\r\n\r\n"), "backend_garbled"),
        (lambda writer: (writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")), "backend_closed"),
    ],
    ids=["closed", "reset", "not HTTP", "half"],
)  # fmt: skip
async def test_what_went_wrong_is_known_from_its_words(
    answer: Callable[[asyncio.StreamWriter], object], code: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answer(writer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        assert transport_errors.explain(await failed(f"http://{host}:{port}/"), "chatgpt.com").code == code


def test_of_several_addresses_the_first_one_tells() -> None:
    several = OSError("All connection attempts failed")
    several.__cause__ = ExceptionGroup(
        "multiple", [ConnectionRefusedError(111, "Connection refused"), OSError("other")]
    )
    assert outbound.why(several) == "[Errno 111] Connection refused"


def test_what_says_nothing_is_called_by_its_name() -> None:
    assert outbound.why(httpx2.ReadError("")) == "ReadError"
