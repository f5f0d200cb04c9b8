"""Calls of our own to the backend, with the proxy's headers; a refused token is replaced once (docs/backend.md, 7.2, 9)."""

from dataclasses import dataclass, field

from ..account import oauth
from ..account.login import Grant, Login
from ..account.login_file import LoginFile
from ..account.tokens import TokenStore, fingerprint
from ..errors import ProxyError
from ..net import http_client, upstream
from ..net.policy import Limits
from . import our_headers, refusals, transport_errors
from .cookies import Jar


def token_store(file: LoginFile, issuer: str, originator: str) -> TokenStore:
    """The tokens of `file`, renewed at `issuer` under the file's locks, so never spent twice beside a running proxy."""

    async def renew(refresh_token: str, *, proactive: bool, client_id: str) -> Grant:
        user_agent = upstream.user_agent(originator)
        return await oauth.refresh(
            issuer,
            refresh_token,
            proactive=proactive,
            originator=originator,
            user_agent=user_agent,
            client_id=client_id,
        )

    return TokenStore(file, renew, issuer=lambda: issuer)


@dataclass
class BackendCalls:
    """`base` is the backend's base address: the token goes to its host and to no other."""

    base: str
    originator: str
    store: TokenStore
    jar: Jar = field(default_factory=Jar)

    async def get(self, url: str, limits: Limits) -> http_client.Answer:
        """Returns any answer that has a status. Raises LoginError, IssuerError; ProxyError if none came."""
        return await self._send("GET", url, b"", limits)

    async def post(self, url: str, body: bytes, limits: Limits) -> http_client.Answer:
        """JSON up, events down; raises as `get` does."""
        return await self._send("POST", url, body, limits)

    async def _send(self, method: str, url: str, body: bytes, limits: Limits) -> http_client.Answer:
        target, home = upstream.parse(url.partition("?")[0]), upstream.parse(self.base)
        if target[:3] != home[:3]:
            raise ValueError(f"{url} is not at {home.url}, and the token is sent to no other host")
        login = await self.store.fresh()
        answer = await self._once(method, url, body, limits, login)
        if answer.status == 401 and not refusals.is_region(str(refusals.parse(answer.body).get("message") or "")):
            login = await self.store.replaced(fingerprint(login.access_token))
            answer = await self._once(method, url, body, limits, login)
        if answer.status < 400:
            self.store.accepted(fingerprint(login.access_token))
        return answer

    async def _once(self, method: str, url: str, body: bytes, limits: Limits, login: Login) -> http_client.Answer:
        headers = our_headers.client_headers(self.originator, streams=method == "POST")
        if method == "POST":
            headers["Content-Type"] = "application/json"
        headers |= our_headers.account_headers(login, self.jar.header(url))
        fields = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        try:
            answer = await http_client.send(method, url, fields, body, limits)
        except http_client.Failed as e:
            raise transport_errors.explain(str(e), upstream.parse(self.base).host, e.gave_up) from e
        self.jar.keep(url, answer.headers)
        return answer


def problem(answer: http_client.Answer, remedy: str = "") -> ProxyError:
    """The error for a refusal or an unusable answer, as a client of the proxy gets it; `remedy` says how to log in again."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    if answer.status < 400:
        place = refusals.redirect_host(headers.get("location", ""))
        error = refusals.no_answer(answer.status, headers, answer.body, place=place)
        said = f"The backend answered with status {answer.status}, and not with what was requested."
        return error or ProxyError("backend_error", said, status=502)
    return refusals.explain(answer.status, headers, answer.body, remedy=remedy)
