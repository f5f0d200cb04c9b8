"""The token: one that is good for six minutes more goes on the request, seen by the wire alone."""

import os
from pathlib import Path

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from .. import bounded_files, redact, upstream
from ..account import login_source, oauth
from ..account.login import Grant, Login
from ..account.tokens import TokenStore, fingerprint, whose
from ..backend import cookies, our_headers
from ..defaults import ISSUER
from . import flows, wire
from .settings import reject


class PutToken:
    """Holds the login and Cloudflare's cookies; nobody else does."""

    def load(self, loader: Loader) -> None:
        loader.add_option("codex_issuer", str, ISSUER, "Base address of the OAuth server that renews the token.")
        loader.add_option(
            "codex_auth_file", str, "",
            "The login. Empty: $CODEX_HOME/auth.json, else ~/.codex/auth.json, or what the environment has.",
        )  # fmt: skip

    def configure(self, updated: set[str]) -> None:
        if "codex_issuer" in updated:
            try:
                upstream.parse(ctx.options.codex_issuer)
            except ValueError as e:
                reject(f"codex_issuer: {e}")
        if "codex_auth_file" in updated:
            path = login_source.expanded(ctx.options.codex_auth_file)
            if str(path).startswith("~"):
                reject(f"codex_auth_file={path}: nobody here has this name")
            if ctx.options.codex_auth_file and bounded_files.is_folder(path):
                reject(f"codex_auth_file={path} is a folder; the login is a file, as in {path / 'auth.json'}")
            file = login_source.locate(ctx.options.codex_auth_file, os.environ, Path.home())
            self.store = TokenStore(file, self.renew, issuer=lambda: str(ctx.options.codex_issuer), seen=hide)
        if "codex_upstream" in updated:
            self.jar = cookies.Jar()

    def done(self) -> None:
        self.store.kept.write_last()

    async def renew(self, refresh_token: str, *, proactive: bool, client_id: str) -> Grant:
        originator = ctx.options.codex_originator
        return await oauth.refresh(
            ctx.options.codex_issuer,
            refresh_token,
            proactive=proactive,
            originator=originator,
            user_agent=upstream.user_agent(originator),
            client_id=client_id,
        )

    @flows.step
    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flows.state_of(flow)["route"] in flows.UPWARD and not flows.is_dry_run():
            self.put(flow, await self.store.fresh())

    def put(self, flow: http.HTTPFlow, login: Login) -> None:
        """Put the headers of `login` on the request; they are written only on the way to the backend."""
        state = flows.state_of(flow)
        state["token"], state["token_ends"] = fingerprint(login.access_token), login.expires_at
        state["whose"] = whose(login)
        request, target = flow.request, flows.backend()

        def goes_to_backend() -> bool:
            return (request.scheme, request.host, request.port) == (target.scheme, target.host, target.port)

        wire.hide(flow, self.headers(login), goes_to_backend)

    def headers(self, login: Login) -> dict[str, str]:
        return our_headers.whose(login, self.jar.header(flows.backend().url))

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Keep Cloudflare's cookies; the client gets none."""
        if not flows.is_claimed(flow) or flow.response is None:
            return
        # A 401 is about the token only where the token is what was sent.
        flows.state_of(flow)["token_told"] = wire.was_told(flow)
        wire.forget(flow)
        if "sent_at" in flows.state_of(flow):  # or it is an answer of our own
            self.store.heard(flow.response.headers.get("date", ""))
        self.jar.keep(flows.backend().url, flow.response.headers.fields)
        if flow.response.status_code < 400 and (token := flows.state_of(flow).get("token")):
            self.store.accepted(token)
        flow.response.headers.pop("set-cookie", None)

    def error(self, flow: http.HTTPFlow) -> None:
        if flows.is_claimed(flow):
            wire.forget(flow)


def hide(login: Login) -> None:
    """From here on nothing repeats what is secret in a login that is used."""
    redact.KNOWN.know("token", login.access_token, login.refresh_token)
    redact.KNOWN.know("account", login.account_id)
