"""The headers that the proxy sets on every request to the backend: who it is, and whose account is used (docs/backend.md, 2)."""

from ..account.login import Login
from ..net import upstream


def client_headers(originator: str, *, streams: bool, codex: bool = False) -> dict[str, str]:
    """`streams`: whether an event stream is wanted; `codex`: whether the client is the official Codex."""
    headers = {
        "originator": originator,
        "User-Agent": upstream.user_agent(originator),
        "Accept": "text/event-stream" if streams else "application/json",
        # A compressed stream could not be repaired on the way; nanobot asks for gzip.
        "Accept-Encoding": "identity",
    }
    if not codex:
        # The current official client sends none over HTTP (docs/backend.md, 2).
        headers["OpenAI-Beta"] = "responses=experimental"
    return headers


def account_headers(login: Login, cookie: str = "") -> dict[str, str]:
    """Secrets; `cookie` has Cloudflare's, and nothing else."""
    headers = {"Authorization": f"Bearer {login.access_token}"}
    if login.account_id:
        headers["ChatGPT-Account-ID"] = login.account_id
    if login.fedramp:
        headers["X-OpenAI-Fedramp"] = "true"
    if login.residency:
        headers["x-openai-internal-codex-residency"] = login.residency
    if cookie:
        headers["Cookie"] = cookie
    return headers
