"""The OAuth server: token, revoke, and the browser's authorize (docs/backend.md, 8.1 to 8.5)."""

import base64
import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

from .failures import refusals
from .wire.connection import Request
from .wire.replies import HTML_TYPE, Refused, Reply, api_error, html, ok, refusal
from .world.tokens import CLIENT_ID, SCOPE, TEN_DAYS, Login, Tokens

FORM = "application/x-www-form-urlencoded"
EMPTY_REFRESH = (
    "Invalid 'refresh_token': empty string. Expected a string with minimum length 1, but got an empty string instead."
)
# Ports of the CLI's listener; `127.0.0.1` is what 0.169.0 sends, `localhost` what everyone else does.
CALLBACK_PORTS = (1455, 1457)
CALLBACK_HOSTS = ("localhost", "127.0.0.1")
NEEDED_SCOPES = {"openid", "offline_access"}
CONSENT = (
    "<!DOCTYPE html><title>Stand-in: log in</title><h1>Log in with the stand-in</h1><p>{who} lets {originator} in?</p>"
    "<form method=post><button name=answer value=allow>Allow</button> <button name=answer value=deny>Deny</button></form>"
)


@dataclass
class Code:
    """An authorization code that waits to be exchanged."""

    login: Login
    challenge: str
    redirect_uri: str


@dataclass
class OAuth:
    """`consent`: the user agrees or declines on a page; otherwise a login is accepted at once."""

    tokens: Tokens
    person: Login
    codes: dict[str, Code] = field(default_factory=dict)
    consent: bool = False
    callback_ports: Sequence[int] = CALLBACK_PORTS

    def grant(self, login: Login, challenge: str, redirect_uri: str) -> str:
        code = f"ac_{secrets.token_urlsafe(24)}"
        self.codes[code] = Code(login, challenge, redirect_uri)
        return code

    def authorize(self, request: Request) -> Reply:
        """Sends the browser back with a code, or first asks the user in it."""
        query = self._authorization(request)
        if not self.consent:
            return self._allowed(query)
        if request.method == "GET":
            said = {"who": self.person.email, "originator": query.get("originator", "a program")}
            page = CONSENT.format(**{name: escape(value) for name, value in said.items()})
            return Reply(200, [HTML_TYPE], page.encode())
        if parse_qs(request.body.decode("latin-1")).get("answer") == ["allow"]:
            return self._allowed(query)
        return _back(query, {"error": "access_denied", "error_description": "The person said no"})

    def _allowed(self, query: dict[str, str]) -> Reply:
        return _back(query, {"code": self.grant(self.person, query["code_challenge"], query["redirect_uri"])})

    def _authorization(self, request: Request) -> dict[str, str]:
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        for name, right in (("response_type", "code"), ("client_id", CLIENT_ID), ("code_challenge_method", "S256")):
            if query.get(name) != right:
                raise _no_authorization(f"{name} is {query.get(name)!r}")
        known = [f"http://{host}:{port}/auth/callback" for host in CALLBACK_HOSTS for port in self.callback_ports]
        if query.get("redirect_uri") not in known:
            raise _no_authorization(f"redirect_uri {query.get('redirect_uri')!r} is not registered")
        if not NEEDED_SCOPES <= set(query.get("scope", "").split()):
            raise _no_authorization("scope lacks openid or offline_access")
        if not query.get("code_challenge") or not query.get("state"):
            raise _no_authorization("code_challenge or state is missing")
        return query

    def read_token_request(self, request: Request) -> tuple[dict[str, Any], bool]:
        """The fields and whether they came as a form. JSON is for a refresh only."""
        if request.media_type == FORM:
            return dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True)), True
        if request.media_type != "application/json":
            raise _invalid_request(f"content-type {request.media_type or 'missing'}")
        try:
            fields = json.loads(request.body)
        except ValueError as e:
            raise _invalid_request("the body is not JSON") from e
        if not isinstance(fields, dict):
            raise _invalid_request("the body is not an object")
        return fields, False

    def check_client(self, fields: dict[str, Any]) -> None:
        if fields.get("client_id") != CLIENT_ID:
            raise refusal(401, {"error": "invalid_client", "error_description": "Unknown client"}, "invalid_client")

    def token(self, fields: dict[str, Any], is_form: bool) -> Reply:
        match fields.get("grant_type"):
            case "refresh_token":
                return self.refresh(fields)
            case "authorization_code" if is_form:
                return self.exchange(fields)
            case "authorization_code":
                raise _invalid_request("the code exchange has to be a form")
        raise refusal(400, {"error": "unsupported_grant_type"}, "unsupported_grant_type")

    def refresh(self, fields: dict[str, Any]) -> Reply:
        """Each refresh token works once; the answer has the next one."""
        token = self.refreshable(fields)
        self.tokens.states[token] = "used"
        return self._granted(self.tokens.refresh[token])

    def refreshable(self, fields: dict[str, Any]) -> str:
        token = fields.get("refresh_token")
        if token == "":
            raise api_error(EMPTY_REFRESH, param="refresh_token", code="empty_string")
        if not isinstance(token, str):
            raise _invalid_request("refresh_token is missing")
        match self.tokens.states.get(token):
            case None:
                raise refusals.invalid_grant(why="Unknown refresh token")
            case "used":
                raise refusals.refresh_reused()
            case "revoked":
                raise refusals.refresh_invalidated()
        return token

    def exchange(self, fields: dict[str, Any]) -> Reply:
        code = self.codes.pop(str(fields.get("code")), None)
        if code is None:
            raise refusals.invalid_grant(why="Unknown or used code")
        if fields.get("redirect_uri") != code.redirect_uri:
            raise refusals.invalid_grant(why="redirect_uri is not that of the authorization")
        if challenge_of(str(fields.get("code_verifier"))) != code.challenge:
            raise refusals.invalid_grant(why="code_verifier does not fit the challenge")
        return self._granted(code.login)

    def _granted(self, login: Login) -> Reply:
        more = {"token_type": "Bearer", "expires_in": TEN_DAYS, "scope": SCOPE}
        return ok(self.tokens.issue(login) | more, [("cache-control", "no-store")])

    def revoke(self, request: Request) -> Reply:
        fields, _ = self.read_token_request(request)
        token, hint = fields.get("token"), fields.get("token_type_hint")
        if not isinstance(token, str) or not token:
            raise _invalid_request("token is missing")
        if hint == "refresh_token" and fields.get("client_id") != CLIENT_ID:
            raise _invalid_request("client_id is missing")
        if token in self.tokens.states:
            self.tokens.states[token] = "revoked"
        if token in self.tokens.access:
            self.tokens.invalidated.add(token)
        return ok({})


def _back(query: dict[str, str], answer: dict[str, str]) -> Reply:
    """To the program, by way of the browser, which makes a GET of it."""
    target = f"{query['redirect_uri']}?{urlencode({**answer, 'state': query['state']})}"
    return Reply(302, [("location", target)])


def challenge_of(verifier: str) -> str:
    """RFC 7636, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _invalid_request(why: str) -> Refused:
    return refusal(400, {"error": "invalid_request", "error_description": why}, f"invalid_request: {why}")


def _no_authorization(why: str) -> Refused:
    return html(400, f"<html><body>Authentication error: {why}</body></html>", f"no authorization: {why}")
