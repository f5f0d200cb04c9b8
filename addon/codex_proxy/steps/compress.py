"""Compress large requests, as the official client does (docs/backend.md, 2): most lines upload slower than they download."""

from collections.abc import Awaitable

import zstandard
from mitmproxy import ctx, http

from .. import workers
from ..changes import Change
from ..walk.exchange import Exchange
from .patch_body import PatchBody
from .set_headers import SetHeaders

# Bodies above this size are compressed, in bytes.
WORTH_IT = 64 << 10

# zstd's own default, and the official client's.
LEVEL = 3


class Compress:
    after = (SetHeaders, PatchBody)

    def request(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        request = flow.request
        body = request.raw_content or b""
        if not ctx.options.codex_compress or len(body) <= WORTH_IT or "content-encoding" in request.headers:
            return None
        return self._compress(flow, exchange, body)

    async def _compress(self, flow: http.HTTPFlow, exchange: Exchange, body: bytes) -> None:
        smaller = await workers.run(len(body), compressed, body)
        if len(smaller) >= len(body):
            return
        flow.request.raw_content = smaller
        flow.request.headers["content-encoding"] = "zstd"
        told = f"set: zstd, {len(body):,} → {len(smaller):,} bytes"
        exchange.header_changes.append(Change("content-encoding", told, "large requests go up compressed"))


def compressed(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(body)
