"""Flows as the steps meet them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from mitmproxy import ctx, http

from codex_proxy.steps import exchanges
from codex_proxy.walk.exchange import Exchange

from .in_process import flow


def claimed(flow: http.HTTPFlow) -> Exchange:
    """The exchange of a flow whose head has come."""
    exchange = exchanges.claim(flow)
    exchanges.begin(flow, exchange)
    return exchange


def asked(
    method: str = "POST",
    path: str = "/v1/responses",
    body: Any = None,
    headers: Sequence[tuple[str, str]] = (),
    **known: Any,
) -> tuple[http.HTTPFlow, Exchange]:
    """A request of a client of ours whose head has come, and what is known of it beside that."""
    made = flow(method, path, body, headers)
    exchange = claimed(made)
    for name, value in known.items():
        setattr(exchange, name, value)
    return made, exchange


class Configured(Protocol):
    def configure(self, updated: set[str]) -> None: ...


def configure(part: Configured, **options: Any) -> None:
    """Set options, and tell a step or a service of them as the conductor does."""
    ctx.options.update(**options)
    part.configure(set(options))


def configured(**options: Any) -> None:
    """Set options, of which nobody is told."""
    ctx.options.update(**options)


async def finished(waiting: Awaitable[None] | None) -> bool:
    """Do what a step gave to be awaited; False if there is nothing."""
    if waiting is None:
        return False
    await waiting
    return True


async def until(is_so: Callable[[], object]) -> None:
    """Wait for what happens in the loop, for five seconds at most."""
    for _ in range(500):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError
