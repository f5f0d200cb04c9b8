"""In-memory jar for Cloudflare's cookies, sent back as the CLI does (docs/backend.md, 2, 2.2). No other cookie is kept."""

import re
from collections.abc import Iterable

import httpx2

from ..output import redact

# The names the CLI stores (docs/backend.md, 2; CX chatgpt_cloudflare_cookies.rs).
KEPT = re.compile(
    r"(?:__cf_bm|__cflb|__cfruid|__cfseq|__cfwaitingroom|_cfuvid|cf_clearance|cf_ob_info|cf_use_ob|cf_chl_\w+)="
)

# What a cookie may have in it (RFC 6265, section 4.1.1: visible ASCII and spaces), and how long it and all of them together may
# be (section 6.1), in bytes. What the jar takes goes up with every request: one that no server reads would break them all.
WELL_FORMED = re.compile(rb"[\x20-\x7e]{1,4096}")
LONGEST = 8192


class Jar:
    """Cookies of the backend; expiry, path and `Secure` are the library's business."""

    def __init__(self) -> None:
        self._cookies = httpx2.Cookies()

    def keep(self, url: str, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """Take over what an answer to a request for `url` sets."""
        setting = [(n, v) for n, v in fields if n.lower() == b"set-cookie" and is_kept(v.strip())]
        if setting:
            self._cookies.extract_cookies(httpx2.Response(200, headers=setting, request=httpx2.Request("GET", url)))
            redact.KNOWN.know("cookie", *(cookie.value for cookie in self._cookies.jar))
            if len(self.header(url)) > LONGEST:
                self._cookies = httpx2.Cookies()

    def header(self, url: str) -> str:
        """Value of `Cookie` for a request to `url`; empty if there is none."""
        if not self._cookies:
            return ""
        request = httpx2.Request("GET", url)
        self._cookies.set_cookie_header(request)
        return request.headers.get("cookie", "")


def is_kept(cookie: bytes) -> bool:
    return WELL_FORMED.fullmatch(cookie) is not None and KEPT.match(cookie.decode("latin-1")) is not None
