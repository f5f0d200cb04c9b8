import secrets

import pytest
import zstandard

from codex_proxy.steps.compress import WORTH_IT, Compress

from .flows import asked, configured, finished

pytestmark = pytest.mark.usefixtures("context")

RANDOM = secrets.token_bytes(WORTH_IT + 1)


@pytest.mark.parametrize(
    ("body", "coding", "is_on", "is_smaller"),
    [
        (b"", "", True, False),
        (b"x" * WORTH_IT, "", True, False),
        (b"x" * (WORTH_IT + 1), "", True, True),
        (b"x" * (WORTH_IT + 1), "", False, False),
        (b"x" * (WORTH_IT + 1), "gzip", True, False),
        (b"x" * (1 << 20), "", True, True),
        (RANDOM, "", True, False),  # would grow
    ],
    ids=["empty", "small", "large", "off", "coded", "larger", "random"],
)
async def test_large_bodies_go_up_smaller(body: bytes, coding: str, is_on: bool, is_smaller: bool) -> None:
    flow, exchange = asked(headers=[("content-encoding", coding)] if coding else [])
    flow.request.raw_content = body
    configured(codex_compress=is_on)
    await finished(Compress().request(flow, exchange))
    sent = flow.request.raw_content or b""
    assert flow.request.headers.get("content-encoding", "") == ("zstd" if is_smaller else coding)
    assert (zstandard.ZstdDecompressor().decompress(sent) if is_smaller else sent) == body
    assert (len(sent) < len(body)) is is_smaller
    assert [change.field for change in exchange.header_changes] == (["content-encoding"] if is_smaller else [])
