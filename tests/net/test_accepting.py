import asyncio
import os
import resource
import socket

import pytest

from codex_proxy.net import accepting
from codex_proxy.net.few_files import RateLimitedLog

pytestmark = pytest.mark.skipif(not hasattr(asyncio, "SelectorEventLoop"), reason="a loop that selects")


async def test_a_listener_without_files_says_so_once_and_goes_on_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accepting, "PAUSE", 0.02)
    monkeypatch.setattr(accepting, "said", RateLimitedLog())
    loop = asyncio.get_running_loop()
    taken = asyncio.Semaphore(0)
    failures: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.release()
        writer.close()

    accepting.install(loop)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    clients = [socket.socket() for _ in range(8)]
    free = os.dup(0)
    os.close(free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        for client in clients:
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
        await asyncio.sleep(0.2)  # many turns of PAUSE
        assert taken.locked()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    async with asyncio.timeout(10):
        for _ in clients:
            await taken.acquire()
    assert failures == []
    assert [record.getMessage() for record in caplog.records] == [
        "No file descriptors are left: new connections are not accepted for a moment. Raise `ulimit -n`."
    ]
    server.close()
    for client in clients:
        client.close()
    accepting.remove(loop)
    assert "_accept_connection" not in vars(loop)


async def test_a_listener_that_is_closed_meanwhile_is_left_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "PAUSE", 0.01)
    loop = asyncio.get_running_loop()
    failures: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    accepting.install(loop)
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    client = socket.socket()
    client.setblocking(False)
    free = os.dup(0)
    os.close(free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        await loop.sock_connect(client, server.sockets[0].getsockname())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        server.close()
        await asyncio.sleep(0.05)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert failures == []
    client.close()
    accepting.remove(loop)
