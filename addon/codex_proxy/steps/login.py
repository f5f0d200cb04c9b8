"""The current login, and Cloudflare's cookies; no other object holds them."""

import os
from pathlib import Path

from mitmproxy import ctx

from ..account import login_source, oauth
from ..account.login import Grant
from ..account.login import Login as Tokens
from ..account.tokens import TokenStore
from ..backend import cookies, our_headers
from ..files import bounded as bounded_files
from ..layers import ours
from ..layers.option_checks import reject
from ..net import upstream
from ..output import redact


class Login:
    store: TokenStore
    jar: cookies.Jar

    def configure(self, updated: set[str]) -> None:
        if "codex_auth_file" in updated:
            path = login_source.expanded(ctx.options.codex_auth_file)
            if str(path).startswith("~"):
                reject(f"codex_auth_file={path}: there is no user of this name")
            if ctx.options.codex_auth_file and bounded_files.is_folder(path):
                reject(f"codex_auth_file={path} is a folder; name the file of the login, as in {path / 'auth.json'}")
            file = login_source.locate(ctx.options.codex_auth_file, os.environ, Path.home())
            self.store = TokenStore(file, self._renew, issuer=lambda: str(ctx.options.codex_issuer), seen=hide)
        if "codex_upstream" in updated:
            self.jar = cookies.Jar()

    def done(self) -> None:
        self.store.kept.write_last()

    def headers(self, tokens: Tokens) -> dict[str, str]:
        """What goes up with a login; its values are for the wire alone."""
        return our_headers.account_headers(tokens, self.jar.header(ours.backend().url))

    async def _renew(self, refresh_token: str, *, proactive: bool, client_id: str) -> Grant:
        originator = ctx.options.codex_originator
        return await oauth.refresh(
            ctx.options.codex_issuer,
            refresh_token,
            proactive=proactive,
            originator=originator,
            user_agent=upstream.user_agent(originator),
            client_id=client_id,
        )


def hide(tokens: Tokens) -> None:
    """Register the secrets of a login in use, so that nothing repeats them."""
    redact.KNOWN.know("token", tokens.access_token, tokens.refresh_token)
    redact.KNOWN.know("account", tokens.account_id)
