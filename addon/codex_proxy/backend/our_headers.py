"""The headers we say on every request to the backend: who we are, and whose request it is (docs/backend.md, 2)."""

from ..account.login import Login
from ..net import upstream


def who(originator: str, *, streams: bool, codex: bool = False) -> dict[str, str]:
    """`streams`: is an answer in events wanted? `codex`: does the official Codex ask, through us?"""
    headers = {
        "originator": originator,
        "User-Agent": upstream.user_agent(originator),
        "Accept": "text/event-stream" if streams else "application/json",
        # A compressed stream could not be repaired as it goes by; nanobot asks for gzip.
        "Accept-Encoding": "identity",
    }
    if not codex:
        # The current official client sends none over HTTP (docs/backend.md, 2).
        headers["OpenAI-Beta"] = "responses=experimental"
    return headers


def whose(login: Login, cookie: str = "") -> dict[str, str]:
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
