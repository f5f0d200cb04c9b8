import asyncio
import contextlib
import gzip
import os
import socket
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from codex_proxy.backend import transport_errors
from codex_proxy.net import http_client
from codex_proxy.net.policy import Limits


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield "http://{}:{}/".format(*taken.getsockname())


SHORT = Limits(silence=5.0, total=0.5, largest=100_000)
PATIENT = SHORT._replace(total=20.0)


async def failed(url: str, limits: Limits = PATIENT) -> http_client.Failed:
    with pytest.raises(http_client.Failed) as caught:
        await http_client.send("GET", url, [], b"", limits)
    return caught.value


async def test_a_refused_connection_is_called_one(nobody: str) -> None:
    why = str(await failed(nobody))
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
        assert transport_errors.explain(str(await failed(f"http://{host}:{port}/")), "chatgpt.com").code == code


def test_of_several_addresses_the_first_one_tells() -> None:
    several = OSError("All connection attempts failed")
    several.__cause__ = ExceptionGroup(
        "multiple", [ConnectionRefusedError(111, "Connection refused"), OSError("other")]
    )
    assert http_client.cause_of(several) == "[Errno 111] Connection refused"


def test_what_says_nothing_is_called_by_its_name() -> None:
    assert http_client.cause_of(ConnectionResetError("")) == "ConnectionResetError"


# An answer that takes too long, or is too much.

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@contextlib.asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[str]:
    """An address where each request is answered by `reply`."""
    answering: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        answering.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await reply(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for each in answering:
            each.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


def again_and_again(first: bytes, piece: bytes, pause: float = 0.0, times: int = 1 << 40) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        for _ in range(times):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return reply


def once(*parts: bytes) -> Reply:
    return again_and_again(b"", b"".join(parts), times=1)


async def nothing(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


SLOW = {
    "says nothing": nothing,
    "drips the head": again_and_again(b"HTTP/1.1 200 OK\r\nx: ", b"x", 0.01),
    "drips header lines": again_and_again(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", 0.01),
    "drips the body": again_and_again(HEAD + b"content-length: 100000\r\n\r\n", b" ", 0.01),
    "drips chunks": again_and_again(HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.01),
    "drips interim answers": again_and_again(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
    "drips trailers": again_and_again(HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n", 0.01),
}


@pytest.mark.parametrize("reply", SLOW.values(), ids=SLOW)
async def test_an_answer_that_goes_on_and_on_is_given_up_at_the_total_limit(reply: Reply) -> None:
    async with serving(reply) as url:
        began = time.monotonic()
        error = await failed(url, SHORT)
    assert error.gave_up == "total" and "0.5 s" in str(error)
    assert time.monotonic() - began < 5


async def test_a_pause_is_given_up_at_the_limit_for_pauses() -> None:
    async with serving(nothing) as url:
        error = await failed(url, PATIENT._replace(silence=0.2))
    assert error.gave_up == "idle"


def bomb(coding: str) -> bytes:
    """100 MB of zeros."""
    plain = bytes(1 << 20)
    if coding == "gzip":
        compressor = zlib.compressobj(1, wbits=31)
        return b"".join([compressor.compress(plain) for _ in range(100)]) + compressor.flush()
    if coding == "zstd":
        frames = zstandard.ZstdCompressor().compressobj()
        return b"".join([frames.compress(plain) for _ in range(100)]) + frames.flush()
    packer = brotli.Compressor(quality=1)
    return b"".join([packer.process(plain) for _ in range(100)]) + bytes(packer.finish())


def encoded(coding: str, body: bytes) -> Reply:
    return once(HEAD, f"content-encoding: {coding}\r\ncontent-length: {len(body)}\r\n\r\n".encode(), body)


HUGE = {
    "a large body": again_and_again(HEAD + b"content-length: 400000000\r\n\r\n", bytes(1 << 16)),
    "chunks without end": again_and_again(HEAD + b"transfer-encoding: chunked\r\n\r\n", b"10000\r\n%b\r\n" % bytes(1 << 16)),
    "a body without a length": again_and_again(HEAD + b"\r\n", bytes(1 << 16)),
    "interim answers without end": again_and_again(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "interim answers with large heads": again_and_again(b"", b"HTTP/1.1 103 Early\r\nlink: %b\r\n\r\n" % (b"x" * 50_000)),
}  # fmt: skip


@pytest.mark.parametrize("reply", HUGE.values(), ids=HUGE)
async def test_an_answer_that_is_too_large_is_given_up_while_it_comes(reply: Reply) -> None:
    async with serving(reply) as url:
        tracemalloc.start()
        error = await failed(url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert error.gave_up == "size"
    assert peak < 10 << 20


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br", "gzip, gzip"])
async def test_a_bomb_is_given_up_while_it_is_decoded(coding: str) -> None:
    body = bomb(coding) if "," not in coding else gzip.compress(bomb("gzip"))
    async with serving(encoded(coding, body)) as url:
        tracemalloc.start()
        error = await failed(url, PATIENT._replace(largest=len(body) + (1 << 20)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert error.gave_up == "size"
    assert peak < 40 << 20


@pytest.mark.parametrize(
    "reply",
    [
        again_and_again(b"HTTP/1.1 200 OK\r\nx: ", b"x" * 10_000),
        again_and_again(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000),
        again_and_again(HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n" * 1000),
        encoded("gzip", b"no gzip"),
        encoded("br, x-own", b"?"),
        encoded("gzip," * 50 + "gzip", gzip.compress(b"")),
    ],
    ids=["a header without end", "headers without end", "trailers without end", "no gzip", "of its own", "fifty times"],
)
async def test_an_answer_that_can_not_be_read_is_told(reply: Reply) -> None:
    async with serving(reply) as url:
        error = await failed(url)
    assert error.gave_up in ("", "size") and str(error)


@pytest.mark.parametrize("coding, pack", [("gzip", gzip.compress), ("identity", bytes), ("br", brotli.compress)])
async def test_compression_is_not_asked_for_and_read_where_it_comes(
    coding: str, pack: Callable[[bytes], bytes]
) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        await encoded(coding, pack(b"{}"))(writer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a%20b?c=d"
        answer = await http_client.send("GET", url, [(b"Accept-Encoding", b"gzip"), (b"X-Own", b"1")], b"", PATIENT)
    assert (answer.status, answer.body) == (200, b"{}")
    lines = asked[0].decode().lower().split("\r\n")
    assert lines[0] == "get /a%20b?c=d http/1.1" and "x-own: 1" in lines
    assert [line for line in lines if line.startswith("accept-encoding")] == ["accept-encoding: identity"]


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with serving(
        once(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
    ) as url:
        answer = await http_client.send("POST", url, [], b"{}", PATIENT)
    assert (answer.status, answer.header("location")) == (302, "http://127.0.0.1:1/")


async def test_an_interim_answer_is_not_the_answer() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    async with serving(once(interim, HEAD, b"content-length: 2\r\n\r\n{}")) as url:
        assert (await http_client.send("GET", url, [], b"", PATIENT)).body == b"{}"


@pytest.mark.parametrize("url", ["http://", "nonsense", "http://127.0.0.1:99999/", "ftp://127.0.0.1/", "http://a..b/"])
async def test_an_address_that_will_not_do_is_told(url: str) -> None:
    assert str(await failed(url))


@pytest.mark.parametrize(
    "env, words",
    [
        ({"ALL_PROXY": "socks5://me:s3cret@127.0.0.1:1"}, "ALL_PROXY names a proxy of the kind socks5://"),
        ({"HTTP_PROXY": "http://me:s3cret@127.0.0.1:1"}, "Connect call failed"),
    ],
)
async def test_the_way_out_is_that_of_the_environment(
    env: dict[str, str], words: str, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    error = str(await failed(nobody))
    assert words in error and "s3cret" not in error
