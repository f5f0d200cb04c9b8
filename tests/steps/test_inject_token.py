import pytest
from mitmproxy import http

from codex_proxy.account.tokens import fingerprint
from codex_proxy.front import routes
from codex_proxy.output.redact import HIDDEN
from codex_proxy.steps.inject_token import InjectToken
from codex_proxy.steps.login import Login

from .flows import asked, configured, finished

ROUTES = {**{route.name: route for route in routes.ROUTES.values()}, "catalogue": routes.CATALOGUE, "socket": routes.SOCKET}  # fmt: skip
BACKEND = ("http", "127.0.0.1", 9)


@pytest.mark.parametrize(
    ("route", "is_dry_run", "has_token"),
    [
        ("responses", False, True),
        ("compact", False, True),
        ("chat", False, True),
        ("catalogue", False, True),
        ("socket", False, True),
        ("responses", True, False),
        ("models", False, False),
        ("about", False, False),
        ("health", False, False),
    ],
)
async def test_what_goes_up_has_a_token(login: Login, route: str, is_dry_run: bool, has_token: bool) -> None:
    flow, exchange = asked(route=ROUTES[route])
    configured(codex_dry_run=is_dry_run)
    del flow.request.headers["authorization"]
    await finished(InjectToken(login).requestheaders(flow, exchange))
    fresh = await login.store.fresh()
    assert exchange.token == (fingerprint(fresh.access_token) if has_token else "")
    assert flow.request.headers.get("authorization") == (HIDDEN if has_token else None)
    assert bool(exchange.login) is has_token and exchange.token_ends == (fresh.expires_at if has_token else None)


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (BACKEND, True),
        (("https", *BACKEND[1:]), False),
        (("http", "127.0.0.2", 9), False),
        (("http", "127.0.0.1", 10), False),
        (("http", "evil.example", 9), False),
    ],
)
async def test_the_token_is_written_only_on_the_way_to_the_backend(
    login: Login, where: tuple[str, str, int], told: bool
) -> None:
    step, (flow, exchange) = InjectToken(login), asked(route=ROUTES["responses"])
    step.put(flow, exchange, await login.store.fresh())
    flow.request.scheme, flow.request.host, flow.request.port = where
    token = (await login.store.fresh()).access_token.encode()
    assert (token in bytes(flow.request.headers)) is told
    assert token not in repr(flow.get_state()).encode()
    flow.response = http.Response.make(200)
    step.responseheaders(flow, exchange)
    assert exchange.token_was_sent is told
    # Once it is over, nothing writes it any more.
    assert token not in bytes(flow.request.headers)


@pytest.mark.parametrize(("cookie", "kept"), [("__cf_bm=1; path=/", "__cf_bm=1"), ("session=1; path=/", ""), ("", "")])
@pytest.mark.parametrize("status", [200, 401])
async def test_cookies_stay_here(login: Login, status: int, cookie: str, kept: str) -> None:
    flow, exchange = asked(route=ROUTES["responses"], sent_at=1.0)
    flow.response = http.Response.make(status, b"", {"set-cookie": cookie} if cookie else {})
    InjectToken(login).responseheaders(flow, exchange)
    assert "set-cookie" not in flow.response.headers
    assert login.jar.header("http://127.0.0.1:9/backend-api/codex") == kept


async def test_a_request_that_failed_is_written_without_its_token(login: Login) -> None:
    step, (flow, exchange) = InjectToken(login), asked(route=ROUTES["responses"])
    step.put(flow, exchange, await login.store.fresh())
    flow.request.scheme, flow.request.host, flow.request.port = BACKEND
    step.error(flow, exchange)
    assert b"Bearer" not in bytes(flow.request.headers)
