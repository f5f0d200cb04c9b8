"""Cloudflare's cookies, kept in memory and sent back, as the CLI does (contract 2 `Cookie`, 2.2). Nothing else is kept."""

import re
from collections.abc import Iterable

import httpx2

# The names the CLI stores (CX chatgpt_cloudflare_cookies.rs).
KEPT = re.compile(
    r"(?:__cf_bm|__cflb|__cfruid|__cfseq|__cfwaitingroom|_cfuvid|cf_clearance|cf_ob_info|cf_use_ob|cf_chl_\w+)="
)


class Jar:
    """Cookies of the backend; expiry, path and `Secure` are the library's business."""

    def __init__(self) -> None:
        self._cookies = httpx2.Cookies()

    def keep(self, url: str, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """Take over what an answer to a request for `url` sets."""
        setting = [(n, v) for n, v in fields if n.lower() == b"set-cookie" and KEPT.match(v.decode("latin-1").lstrip())]
        if setting:
            self._cookies.extract_cookies(httpx2.Response(200, headers=setting, request=httpx2.Request("GET", url)))

    def header(self, url: str) -> str:
        """Value of `Cookie` for a request to `url`; empty if there is none."""
        if not self._cookies:
            return ""
        request = httpx2.Request("GET", url)
        self._cookies.set_cookie_header(request)
        return request.headers.get("cookie", "")
