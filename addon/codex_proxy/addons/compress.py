"""Large requests go up compressed, as those of the official client do (contract 2): most lines upload slower than they download."""

import zstandard
from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from .. import workers
from . import flows
from .settings import check_bool

# Bodies above this size are compressed, in bytes.
WORTH_IT = 64 << 10

# zstd's own default, and the official client's.
LEVEL = 3


class Compress:
    def load(self, loader: Loader) -> None:
        check_bool("codex_compress")
        loader.add_option(
            "codex_compress",
            bool,
            True,
            "Send request bodies above 64 KB up compressed (zstd), as the official client does.",
        )

    @flows.step
    async def request(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        body = request.raw_content or b""
        if not ctx.options.codex_compress or len(body) <= WORTH_IT or "content-encoding" in request.headers:
            return
        smaller = await workers.run(len(body), compressed, body)
        if len(smaller) >= len(body):
            return
        request.raw_content = smaller
        request.headers["content-encoding"] = "zstd"
        told = f"put on: zstd, {len(body):,} → {len(smaller):,} bytes"
        flows.state_of(flow)["header_changes"].append(["content-encoding", told, "large requests go up compressed"])


def compressed(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(body)
