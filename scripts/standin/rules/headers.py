"""The rules for a request's headers (docs/backend.md, 2).

The real backend requires less. That each header occurs once, that nothing of the local client's leaks, and that the account
header is there is the stand-in's own strictness: a proxy that fails here would still work, but not as it should.
"""

import re
import zlib

import zstandard

from ..wire.connection import Request
from ..wire.replies import Refused, auth_error, detail, html
from ..world.tokens import Login

ONCE = ("authorization", "chatgpt-account-id", "originator", "user-agent", "content-type", "openai-beta", "accept")
LEAKS = re.compile(
    r"x-stainless-.*|openai-organization|openai-project|x-api-key|api-key"
    r"|x-forwarded-.*|forwarded|via|x-nanobot-.*"
)
# The only cookies the CLI keeps and sends back (docs/backend.md, 2); `__oailb` is set and not among them.
CLOUDFLARE_COOKIES = re.compile(
    r"__cf_bm|__cflb|__cfruid|__cfseq|__cfwaitingroom|_cfuvid|cf_clearance|cf_ob_info|cf_use_ob|cf_chl_.*"
)
BARE_AGENTS = re.compile(r"(python-(urllib|requests|httpx)|httpx2?|go-http-client|curl|reqwest|node|undici)\b.*|", re.I)

ACCOUNT = "chatgpt-account-id"
LITE = "x-openai-internal-codex-responses-lite"
RESIDENCY = "x-openai-internal-codex-residency"

CHALLENGE = (
    "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser.</body></html>"
)
BLOCKED = "<!DOCTYPE html><html><body><h1>Sorry, you have been blocked</h1><p>Cloudflare Ray ID</p></body></html>"


def check_once(request: Request) -> None:
    for name in ONCE:
        if sum(key == name for key, _ in request.headers) > 1:
            raise detail(f"header sent more than once: {name}")


def check_leaks(request: Request) -> None:
    for name, value in request.headers:
        if LEAKS.fullmatch(name):
            raise detail(f"leaked client header: {name}")
        if name == "cookie":
            for cookie in value.split(";"):
                key = cookie.partition("=")[0].strip()
                if not CLOUDFLARE_COOKIES.fullmatch(key):
                    raise detail(f"leaked client header: cookie {key}")


def check_content_type(request: Request) -> None:
    if request.media_type != "application/json":
        raise detail("Unsupported content type")


def check_account(request: Request, login: Login, required: bool) -> None:
    """The account fits the token; without the header it is refused where it is required."""
    account = request.header(ACCOUNT)
    if account is None and required:
        raise auth_error("missing header: chatgpt-account-id", "account_id_required", "invalid_request_error")
    if account is not None and account != login.account_id:
        raise auth_error(
            "chatgpt-account-id is not the account of this token", "account_id_mismatch", "invalid_request_error"
        )
    if login.residency not in (None, "no_constraint") and request.header(RESIDENCY) != login.residency:
        raise wrong_region()


def wrong_region() -> Refused:
    return auth_error("Workspace is not authorized in this region.", None)


def check_agent(request: Request) -> None:
    """Cloudflare's dislike of bare libraries (docs/backend.md, 2.2); off unless asked for."""
    if BARE_AGENTS.fullmatch(request.header("user-agent") or ""):
        raise challenge()


def challenge(status: int = 403) -> Refused:
    return html(status, CHALLENGE, "Cloudflare challenge", [("cf-mitigated", "challenge"), *cloudflare()])


def cloudflare() -> list[tuple[str, str]]:
    return [("server", "cloudflare"), ("cf-ray", "8f0000000000beef-FRA")]


def decoded(request: Request) -> bytes:
    """The body without its content encoding (identity, zstd and gzip alike: docs/backend.md, 2)."""
    encoding = (request.header("content-encoding") or "identity").strip().lower()
    try:
        match encoding:
            case "identity":
                return request.body
            case "gzip":
                return _whole(zlib.decompressobj(wbits=31), request.body)
            case "zstd":
                return _whole(zstandard.ZstdDecompressor().decompressobj(), request.body)
    except (zlib.error, zstandard.ZstdError, EOFError) as e:
        raise detail(f"The body is not {encoding}") from e
    raise detail(f"Unsupported content encoding: {encoding}")


def _whole(decoder: "zlib._Decompress | zstandard.ZstdDecompressionObj", data: bytes) -> bytes:
    plain = decoder.decompress(data)
    if not decoder.eof:
        raise EOFError
    return plain
