import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from codex_proxy.errors import LoginError
from codex_proxy.signing_in import callback
from codex_proxy.signing_in.callback import Listener, WrongState, code_of
from codex_proxy.signing_in.callback_page import done, failed
from free_port import free_port

STATE = "s" * 43
PATIENCE = 10.0


def query(**more: str) -> str:
    return urlencode({"state": STATE, **more})


# What a browser comes back with.


@pytest.mark.parametrize(
    "given",
    [
        query(code="c"),
        query(code="c", scope="openid", extra="x"),
        query(code="c", state=STATE + ".onboarding_entrypoint=life_sciences"),
        f"code=c&state={STATE}&state=other",
    ],
)
def test_the_code_comes_with_our_state(given: str) -> None:
    assert code_of(given, STATE) == "c"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "code=c",
        "code=c&state=",
        "code=c&state=other",
        "code=c&state=ü",
        f"code=c&state={STATE[:-1]}",
        f"code=c&state={STATE}x",
        f"code=c&state={STATE}.other=1",
        "error=access_denied&state=other",
        "%ff%fe&&=;",
    ],
)
def test_another_state_is_another_login(given: str) -> None:
    with pytest.raises(WrongState):
        code_of(given, STATE)


@pytest.mark.parametrize(
    "given, said",
    [
        ({"error": "access_denied"}, "The login was denied: access_denied."),
        ({"error": "access_denied", "error_description": "No thanks."}, "The login was denied: No thanks."),
        ({"error": "access_denied", "error_description": "missing_codex_entitlement"}, "Codex is not enabled for this workspace."),
        ({"error": "server_error", "error_description": "Oops"}, "The login can't be finished: Oops."),
        ({"error": "server_error"}, "The login can't be finished: server_error."),
        ({"error": "x", "error_description": "a\x1b[2Jb\nc"}, "The login can't be finished: a?[2Jb?c."),
        ({"error": "x", "error_description": "rt_" + "0123456789abcdef" * 2}, "The login can't be finished: [hidden by the proxy]."),
        ({"error": "x", "code": "c"}, "The login can't be finished: x."),
        ({}, "The login can't be finished: the redirect carries no code."),
        ({"code": ""}, "The login can't be finished: the redirect carries no code."),
    ],
)  # fmt: skip
def test_what_the_server_has_against_it_is_told(given: dict[str, str], said: str) -> None:
    with pytest.raises(LoginError) as e:
        code_of(query(**given), STATE)
    assert e.value.message.startswith(said) and not isinstance(e.value, WrongState)


# The listener.


@asynccontextmanager
async def listening(host: str = "127.0.0.1", **more: Any) -> AsyncIterator[tuple[Listener, httpx2.AsyncClient]]:
    async with Listener(host, (free_port(),), STATE) as listener:
        base = f"http://127.0.0.1:{listener.port}"
        async with httpx2.AsyncClient(base_url=base, timeout=PATIENCE, trust_env=False, **more) as browser:
            yield listener, browser


async def test_one_browser_brings_one_code_and_is_told_how_it_went() -> None:
    async with listening() as (listener, browser):
        assert listener.redirect_uri == f"http://127.0.0.1:{listener.port}/auth/callback"
        coming = asyncio.create_task(browser.get(f"/auth/callback?{query(code='c')}"))
        assert await listener.code(PATIENCE) == "c"
        again = await browser.get(f"/auth/callback?{query(code='d')}")
        assert again.status_code == 409 and "completed already" in again.text
        assert not coming.done()
        await listener.tell(done("p…n@example.org"))
        answer = await coming
        assert answer.status_code == 200 and "p…n@example.org" in answer.text and query(code="c") not in answer.text
        assert await listener.code(PATIENCE) == "c"


async def test_a_failure_is_told_on_the_page() -> None:
    async with listening() as (listener, browser):
        coming = asyncio.create_task(browser.get(f"/auth/callback?{query(error='access_denied')}"))
        with pytest.raises(LoginError, match="denied"):
            await listener.code(PATIENCE)
        await listener.tell(failed("The login was denied."))
        assert (await coming).status_code == 400 and "The login was denied." in (await coming).text


async def test_a_wrong_state_is_told_and_the_right_one_may_still_come(caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as (listener, browser):
        stray = await browser.get("/auth/callback?code=c&state=other")
        assert stray.status_code == 400 and "Not the login that is waiting" in stray.text
        assert "another login" in caplog.text and "other" not in caplog.text.replace("another", "")
        coming = asyncio.create_task(browser.get(f"/auth/callback?{query(code='right')}"))
        assert await listener.code(PATIENCE) == "right"
        await listener.tell(done("x"))
        await coming


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/", 404),
        ("GET", "/favicon.ico", 404),
        ("GET", "/cancel", 404),
        ("GET", "/auth/callback/", 404),
        ("GET", f"/auth?{query(code='c')}", 404),
        ("HEAD", "/", 404),
        ("HEAD", f"/auth/callback?{query(code='c')}", 405),
        ("POST", f"/auth/callback?{query(code='c')}", 405),
        ("OPTIONS", f"/auth/callback?{query(code='c')}", 405),
    ],
)
async def test_what_is_no_browser_coming_back_uses_nothing_up(method: str, path: str, status: int) -> None:
    async with listening() as (listener, browser):
        answer = await browser.request(method, path)
        assert answer.status_code == status and answer.headers["allow"] == "GET"
        with pytest.raises(TimeoutError):
            await listener.code(0.01)


@pytest.mark.parametrize(
    "sent", [b"\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"x" * 40_000, b"GET / HTTP/1.1\r\n", b""]
)
async def test_junk_does_not_end_it(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback, "HEAD_PATIENCE", 0.1)
    async with listening() as (listener, browser):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(sent)
        try:
            said = await asyncio.wait_for(reader.read(), PATIENCE)
        except ConnectionResetError:
            said = b""
        writer.close()
        assert said == b"" or said.startswith(b"HTTP/1.1 404")
        assert (await browser.get("/")).status_code == 404


async def test_nobody_listens_any_more_at_the_end_whoever_hangs_on() -> None:
    async with Listener("127.0.0.1", (free_port(),), STATE) as listener:
        idle = await asyncio.open_connection("127.0.0.1", listener.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(f"GET /auth/callback?{query(code='c')} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        await listener.code(PATIENCE)
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    with pytest.raises(OSError) as e:
        await asyncio.open_connection("127.0.0.1", listener.port)
    assert e.value.errno == errno.ECONNREFUSED
    for each in (writer, idle[1]):
        each.close()


async def test_to_tell_without_a_browser_keeps_nobody_waiting() -> None:
    async with listening() as (listener, _):
        await asyncio.wait_for(listener.tell(done("x")), 1)


async def test_a_browser_that_went_away_is_not_waited_for() -> None:
    async with listening() as (listener, _):
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(f"GET /auth/callback?{query(code='c')} HTTP/1.1\r\n\r\n".encode())
        await listener.code(PATIENCE)
        writer.transport.abort()
        await asyncio.wait_for(listener.tell(done("x")), PATIENCE)


# Where it listens.


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


IPV6 = pytest.mark.xfail(not has_ipv6(), reason="no IPv6 here", run=False)


def reachable(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


@IPV6
@pytest.mark.parametrize("host, six", [("127.0.0.1", False), ("localhost", True)])
async def test_it_listens_where_the_browser_may_come(host: str, six: bool) -> None:
    async with Listener(host, (free_port(),), STATE) as listener:
        assert reachable("127.0.0.1", listener.port)
        assert reachable("::1", listener.port) is six
        assert listener.redirect_uri.startswith(f"http://{host}:")
        # Every address of 127/8 is this machine; one that was not asked for tells that no wildcard is listened on.
        assert not reachable("127.0.0.2", listener.port)


async def test_the_next_port_is_taken_where_the_first_is_held() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port, other = held.getsockname()[1], free_port()
        async with Listener("127.0.0.1", (port, other), STATE) as listener:
            assert listener.port == other
            assert len(listener.taken) == 1 and listener.taken[0].startswith(f"Port {port} is held by ")


@IPV6
async def test_a_port_held_at_one_of_two_addresses_is_held() -> None:
    with socket.socket(socket.AF_INET6) as held:
        held.bind(("::1", 0))
        held.listen()
        port, other = held.getsockname()[1], free_port()
        async with Listener("localhost", (port, other), STATE) as listener:
            assert listener.port == other and not reachable("127.0.0.1", port)


async def test_where_all_are_held_each_holder_is_named() -> None:
    with socket.socket() as one, socket.socket() as two:
        for held in (one, two):
            held.bind(("127.0.0.1", 0))
            held.listen()
        numbers = [held.getsockname()[1] for held in (one, two)]
        with pytest.raises(LoginError) as e:
            async with Listener("127.0.0.1", numbers, STATE):
                pass
    assert all(f"Port {number} is held by " in e.value.message for number in numbers)
    assert "--device" in e.value.message


async def test_a_port_one_may_not_have_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(asyncio, "start_server", forbidden)
    with pytest.raises(LoginError, match="Port 80 can't be listened on: Permission denied"):
        async with Listener("127.0.0.1", (80,), STATE):
            pass


async def test_without_ipv6_localhost_is_the_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = asyncio.start_server

    async def without(handler: Any, address: str, port: int, **more: Any) -> asyncio.Server:
        if ":" in address:
            raise OSError(None, "could not bind on any address")
        server: asyncio.Server = await real(handler, address, port, **more)
        return server

    monkeypatch.setattr(asyncio, "start_server", without)
    async with Listener("localhost", (free_port(),), STATE) as listener:
        assert reachable("127.0.0.1", listener.port)
