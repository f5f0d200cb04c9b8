"""Clients that receive many streams at once, in a separate process, and note how late each event arrives."""

import asyncio
import multiprocessing
import re
import time
from array import array
from typing import Any

from . import backend
from .client import request

SENT = re.compile(rb'"sent": (\d+)[,}]')

# How much of the previous piece is kept to find an event that is split in two, in bytes.
KEPT = 40


class Listener(asyncio.Protocol):
    """One stream: `delays` in milliseconds, of the events that came while `counts`."""

    def __init__(self, request: bytes) -> None:
        self.request, self.rest = request, b""
        self.delays = array("d")
        self.counts = False
        self.begun = asyncio.Event()
        """The first event came that says when it was sent."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now, place = time.monotonic_ns(), 0
        heard = self.rest + data
        for found in SENT.finditer(heard):
            place = found.end()
            self.begun.set()
            if self.counts:
                self.delays.append((now - int(found[1])) / 1e6)
        self.rest = heard[max(place, len(heard) - KEPT) :]


def run(pipe: Any, port: int, streams: list[backend.Stream], seconds: float) -> None:
    """The process: the first stream begins before the others; all events that come in `seconds` count."""

    async def listen() -> None:
        loop, listeners = asyncio.get_running_loop(), []
        for stream in streams:
            listener = Listener(request(backend.body(stream.text())))
            await loop.create_connection(lambda listener=listener: listener, "127.0.0.1", port)  # type: ignore[misc]
            listeners.append(listener)
            await listener.begun.wait()
        pipe.send("all run")
        await loop.run_in_executor(None, pipe.recv)
        for listener in listeners:
            listener.counts = True
        await asyncio.sleep(seconds)
        pipe.send([delay for listener in listeners for delay in listener.delays])
        for listener in listeners:
            listener.transport.close()

    asyncio.run(listen())


class Listeners:
    """That process, seen from here."""

    def __init__(self, port: int, streams: list[backend.Stream], seconds: float) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        arguments = (theirs, port, streams, seconds)
        self.process = multiprocessing.get_context("spawn").Process(target=run, args=arguments, daemon=True)

    async def __aenter__(self) -> "Listeners":
        self.process.start()
        await asyncio.to_thread(self.pipe.recv)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.process.join, 5)
        self.process.kill()

    async def count(self) -> list[float]:
        """The delay of each event from now on, in milliseconds, once the time is over."""
        self.pipe.send("count")
        delays: list[float] = await asyncio.to_thread(self.pipe.recv)
        return delays
