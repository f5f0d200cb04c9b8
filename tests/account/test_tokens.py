import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import stat
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from codex_proxy.account import tokens
from codex_proxy.account.login import Grant, Login
from codex_proxy.account.login_file import LoginFile
from codex_proxy.account.login_source import locate
from codex_proxy.account.tokens import TokenStore, fingerprint
from codex_proxy.backend import calls as backend_calls
from codex_proxy.errors import IssuerError, LoginError
from codex_proxy.net import policy

from ..places import ADDON

NOW = 1_795_518_000.0
SIX_MINUTES = 360.0

REUSED = LoginError("refresh_token_reused", "Used already.")
UNAVAILABLE = IssuerError("issuer_unavailable", "Later.")

Answer = Grant | Exception | Callable[[], Grant]


class Server:
    """The OAuth server as a function: keeps what it was asked, gives the answers it was told, waits where it is told to."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.proactive: list[bool] = []
        # The store asks from a thread of its own.
        self.was_asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    async def __call__(self, refresh_token: str, *, proactive: bool, client_id: str) -> Grant:
        self.asked.append(refresh_token)
        self.proactive.append(proactive)
        self.was_asked.set()
        await asyncio.to_thread(self.may_answer.wait, 30)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Grant) else answer()


def access_token(ends_in: float) -> str:
    return jwt.encode({"exp": int(NOW + ends_in), "jti": secrets.token_hex(4)}, secrets.token_hex(32))


def document(ends_in: float, refresh_token: str | None = "r1", access: str | None = None) -> dict[str, Any]:
    return {
        "OPENAI_API_KEY": None,
        "tokens": {
            "access_token": access or access_token(ends_in),
            "refresh_token": refresh_token,
            "account_id": "acc",
        },
        "last_refresh": None,
    }


def grant(refresh_token: str | None = "r2", ends_in: float = 864_000) -> Grant:
    return Grant(access_token(ends_in), refresh_token)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "auth.json"


def put(path: Path, content: dict[str, Any]) -> str:
    """Write a login as another program would that replaces the file; the access token in it."""
    path.parent.mkdir(exist_ok=True)
    other = path.with_name("other")
    other.write_text(json.dumps(content))
    other.replace(path)
    return str(content["tokens"].get("access_token"))


def halve(path: Path) -> None:
    """Leave of a login what a reader meets while another program writes it in place."""
    path.write_text(path.read_text()[:40])


def move(path: Path, to: Path) -> Path:
    return path.rename(to)


def status(path: Path) -> os.stat_result:
    return path.stat()


def in_file(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())["tokens"]
    return found


def store(path: Path, server: Server) -> TokenStore:
    return TokenStore(LoginFile(path), server, now=lambda: NOW)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between the looks for what another program may be writing."""
    monkeypatch.setattr(tokens, "BETWEEN_LOOKS", 0.0)


@pytest.fixture
def short_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that end at once may be renewed at once."""
    monkeypatch.setattr(tokens, "BETWEEN_RENEWALS", 0.0)


# Fresh or not.


@pytest.mark.parametrize("ends_in", [864_000, SIX_MINUTES + 1, SIX_MINUTES])
async def test_a_token_that_is_good_for_six_minutes_is_used_as_it_is(path: Path, ends_in: float) -> None:
    access = put(path, document(ends_in))
    server = Server()
    assert await store(path, server).fresh() == Login(access, "r1", "acc", NOW + ends_in)
    assert server.asked == []


@pytest.mark.parametrize("ends_in", [SIX_MINUTES - 1, 1, 0, -1, -864_000])
async def test_a_token_that_is_not_is_renewed_and_kept(path: Path, ends_in: float) -> None:
    put(path, document(ends_in))
    server = Server(new := grant())
    assert await store(path, server).fresh() == Login(new.access_token or "", "r2", "acc", NOW + 864_000)
    assert (server.asked, server.proactive) == (["r1"], [True])
    assert in_file(path) == {"access_token": new.access_token, "refresh_token": "r2", "account_id": "acc"}
    assert stat.S_IMODE(status(path).st_mode) == 0o600


async def test_a_token_whose_end_nobody_knows_is_never_renewed_by_itself(path: Path) -> None:
    put(path, document(0, access="opaque"))
    assert (await store(path, Server()).fresh()).access_token == "opaque"


@pytest.mark.usefixtures("short_lives")
async def test_a_renewed_token_is_used_until_it_ends_as_well(path: Path) -> None:
    put(path, document(0))
    server = Server(grant("r2", ends_in=SIX_MINUTES), grant("r3"))
    kept = store(path, server)
    assert (await kept.fresh()).refresh_token == "r2"
    assert (await kept.fresh()).refresh_token == "r2"
    kept.now = lambda: NOW + 1
    assert (await kept.fresh()).refresh_token == "r3"
    assert server.asked == ["r1", "r2"]


@pytest.mark.usefixtures("short_lives")
async def test_an_answer_without_a_refresh_token_keeps_the_old_one(path: Path) -> None:
    put(path, document(0))
    server = Server(grant(None, ends_in=0), grant())
    kept = store(path, server)
    await kept.fresh()
    assert in_file(path)["refresh_token"] == "r1"
    await kept.fresh()
    assert server.asked == ["r1", "r1"]


@pytest.mark.usefixtures("short_lives")
async def test_the_refresh_token_that_is_kept_is_the_latest(path: Path) -> None:
    put(path, document(0))
    server = Server(grant("r2", ends_in=0), grant(None, ends_in=0))
    kept = store(path, server)
    await kept.fresh()
    await kept.fresh()
    assert in_file(path)["refresh_token"] == "r2" and server.asked == ["r1", "r2"]


async def test_where_the_clock_is_wrong_a_new_token_is_used_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(path, document(-864_000))
    server = Server(grant("r2", ends_in=-864_000), grant("r3"), grant("r4"))
    kept = store(path, server)
    for _ in range(3):
        assert (await kept.fresh()).refresh_token == "r2"
    assert server.asked == ["r1"]
    # Which is true of no other token.
    put(path, document(-864_000, "of another program"))
    assert (await kept.current(look=True)).refresh_token == "of another program"
    assert (await kept.fresh()).refresh_token == "r3"
    monkeypatch.setattr(tokens, "BETWEEN_RENEWALS", 0.0)
    kept.now = lambda: NOW + 864_000
    assert (await kept.fresh()).refresh_token == "r4"


AT_NOW = "Tue, 24 Nov 2026 11:00:00 GMT"


@pytest.mark.usefixtures("short_lives")
@pytest.mark.parametrize("off", [864_000 * 2, -864_000 * 2, 7200], ids=["ahead", "behind", "hours ahead"])
async def test_by_a_wrong_clock_no_refresh_token_is_burnt(
    path: Path, off: float, caplog: pytest.LogCaptureFixture
) -> None:
    put(path, document(0))
    granted = [Grant(access_token(3600), f"r{number}", date=AT_NOW) for number in (2, 3, 4)]
    server = Server(*granted)
    kept = TokenStore(LoginFile(path), server, now=lambda: NOW + off)
    kept.heard(AT_NOW)
    for _ in range(5):
        assert (await kept.fresh()).refresh_token == "r2"
    assert server.asked == ["r1"]
    assert caplog.text.count("This machine's clock is") == 1
    assert json.loads(path.read_text())["last_refresh"] == "2026-11-24T11:00:00Z"

    # Set right while it runs, which the next answer tells.
    kept.now = lambda: NOW
    kept.heard(AT_NOW)
    assert kept.time() == NOW and (await kept.fresh()).refresh_token == "r2"


@pytest.mark.usefixtures("short_lives")
async def test_a_wrong_clock_is_known_from_the_renewal_itself(path: Path) -> None:
    put(path, document(3600))
    server = Server(Grant(access_token(3600), "r2", date=AT_NOW), grant())
    kept = TokenStore(LoginFile(path), server, now=lambda: NOW + 864_000)
    for _ in range(5):
        assert (await kept.fresh()).refresh_token == "r2"
    assert server.asked == ["r1"]


async def test_a_token_that_ended_without_a_refresh_token_asks_for_a_login(path: Path) -> None:
    put(path, document(0, refresh_token=None))
    server = Server()
    with pytest.raises(LoginError) as e:
        await store(path, server).fresh()
    assert e.value.code == "login_expired" and "codex login" in e.value.message
    assert server.asked == []


def test_at_the_start_the_login_can_be_looked_at_without_an_event_loop(path: Path) -> None:
    access = put(path, document(0))
    assert store(path, Server()).look_now().access_token == access
    path.unlink()
    with pytest.raises(LoginError):
        store(path, Server()).look_now()


async def test_a_login_that_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(LoginError) as e:
        await store(path, Server()).fresh()
    assert e.value.code == "login_missing"


async def test_the_file_behind_a_link_is_the_one_that_is_renewed(path: Path, tmp_path: Path) -> None:
    put(path, document(0))
    link = tmp_path / "auth.json"
    link.symlink_to(path)
    await store(link, Server(grant())).fresh()
    assert link.is_symlink() and in_file(path)["refresh_token"] == "r2"


async def test_nothing_is_left_beside_the_file(path: Path) -> None:
    put(path, document(0))
    await store(path, Server(grant())).fresh()
    assert sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"]


# One renewal at a time.


async def test_twenty_that_wait_are_one_request_to_the_server(path: Path) -> None:
    put(path, document(0))
    server = Server(new := grant())
    server.may_answer.clear()
    kept = store(path, server)
    waiting = [asyncio.create_task(kept.fresh()) for _ in range(20)]
    await asyncio.to_thread(server.was_asked.wait, 30)
    late = [asyncio.create_task(kept.fresh()) for _ in range(20)]
    server.may_answer.set()
    logins = await asyncio.gather(*waiting, *late)
    assert {login.access_token for login in logins} == {new.access_token}
    assert server.asked == ["r1"]


async def test_twenty_that_were_refused_are_one_request_to_the_server(path: Path) -> None:
    old = fingerprint(put(path, document(864_000)))
    server = Server(new := grant())
    kept = store(path, server)
    logins = await asyncio.gather(*(kept.replaced(old) for _ in range(20)))
    assert {login.access_token for login in logins} == {new.access_token}
    assert server.asked == ["r1"]


async def test_twenty_that_wait_in_vain_are_one_request_to_the_server(path: Path) -> None:
    put(path, document(0))
    server = Server(UNAVAILABLE)
    kept = store(path, server)
    errors = await asyncio.gather(*(kept.fresh() for _ in range(20)), return_exceptions=True)
    assert [type(error) for error in errors] == [IssuerError] * 20
    assert server.asked == ["r1"]


async def test_one_that_hangs_up_does_not_end_it_for_the_others(path: Path) -> None:
    put(path, document(0))
    server = Server(new := grant())
    server.may_answer.clear()
    kept = store(path, server)
    first, second = asyncio.create_task(kept.fresh()), asyncio.create_task(kept.fresh())
    await asyncio.to_thread(server.was_asked.wait, 30)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    server.may_answer.set()
    assert (await second).access_token == new.access_token


async def test_a_token_nobody_waits_for_any_more_is_kept_all_the_same(path: Path) -> None:
    put(path, document(0))
    server = Server(new := grant())
    server.may_answer.clear()
    kept = store(path, server)
    only = asyncio.create_task(kept.fresh())
    await asyncio.to_thread(server.was_asked.wait, 30)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    server.may_answer.set()
    assert (await kept.fresh()).access_token == new.access_token == in_file(path)["access_token"]
    assert server.asked == ["r1"]


# A renewal that takes long.


async def test_a_token_that_lives_is_used_while_its_renewal_takes_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOMENT", 0.2)
    old = put(path, document(100))
    server = Server(new := grant())
    server.may_answer.clear()
    kept = store(path, server)
    first = await asyncio.wait_for(asyncio.gather(*(kept.fresh() for _ in range(5))), 10)
    monkeypatch.setattr(tokens, "MOMENT", 3600)
    kept._began_at -= 3600
    # The moment has passed: who comes later does not wait at all.
    later = [await asyncio.wait_for(kept.fresh(), 10) for _ in range(5)]
    assert {login.access_token for login in (*first, *later)} == {old}
    assert server.asked == ["r1"] and in_file(path)["refresh_token"] == "r1"

    server.may_answer.set()
    assert kept._renewal
    await kept._renewal
    assert (await kept.fresh()).access_token == new.access_token == in_file(path)["access_token"]
    assert server.asked == ["r1"]


async def test_a_token_that_has_ended_waits_for_its_renewal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOMENT", 0.0)
    old = put(path, document(100))
    server = Server(new := grant())
    server.may_answer.clear()
    kept = store(path, server)
    assert (await kept.fresh()).access_token == old
    # Of the renewal that goes on those become part who can't do without: its token has ended meanwhile, or was refused.
    kept.now = lambda: NOW + 101
    ended = asyncio.create_task(kept.fresh())
    refused = asyncio.create_task(kept.replaced(fingerprint(old)))
    done, _ = await asyncio.wait({ended, refused}, timeout=0.3)
    assert not done
    server.may_answer.set()
    assert {(await each).access_token for each in (ended, refused)} == {new.access_token}
    assert server.asked == ["r1"]


@pytest.mark.filterwarnings("error")
async def test_a_renewal_that_fails_when_nobody_waits_is_told_to_the_next_request(
    path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOMENT", 0.0)
    old = put(path, document(100))
    server = Server(REUSED)
    kept = store(path, server)
    assert (await kept.fresh()).access_token == old
    assert kept._renewal
    await asyncio.wait({kept._renewal})
    kept.now = lambda: NOW + 101
    with pytest.raises(LoginError):
        await kept.fresh()
    assert server.asked == ["r1"]


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte every hundredth of a second, of an answer that has no end."""
    with contextlib.suppress(OSError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)
    writer.close()


@pytest.mark.parametrize("ends_in", [100, 0], ids=["lives", "has ended"])
async def test_a_server_that_drips_is_given_up_and_the_lock_let_go(
    path: Path, ends_in: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "TOKENS", policy.TOKENS._replace(total=0.5))
    old = put(path, document(ends_in))
    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        kept = backend_calls.token_store(
            LoginFile(path), f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "nanobot-proxy"
        )
        kept.now = lambda: NOW
        if ends_in:
            assert (await asyncio.wait_for(kept.fresh(), 20)).access_token == old
        else:
            with pytest.raises(IssuerError) as e:
                await asyncio.wait_for(kept.fresh(), 20)
            assert e.value.code == "issuer_unavailable" and "did not answer in time" in e.value.message
        async with LoginFile(path).locked(5):
            pass
    assert in_file(path)["refresh_token"] == "r1" and sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"]


# A token the backend refused.


async def test_a_token_that_was_refused_is_renewed_though_it_lives(path: Path) -> None:
    old = put(path, document(864_000))
    server = Server(new := grant())
    assert (await store(path, server).replaced(fingerprint(old))).access_token == new.access_token
    assert server.proactive == [False]


async def test_if_another_token_was_refused_than_the_one_in_use_that_one_is_the_answer(path: Path) -> None:
    access = put(path, document(864_000))
    server = Server()
    assert (await store(path, server).replaced(fingerprint("an older one"))).access_token == access
    assert server.asked == []


async def test_the_file_is_looked_at_before_a_refused_token_is_renewed(path: Path) -> None:
    old = put(path, document(864_000))
    server = Server()
    kept = store(path, server)
    await kept.fresh()
    new = put(path, document(864_000, "r2"))
    assert (await kept.replaced(fingerprint(old))).access_token == new
    assert server.asked == []


async def test_a_refused_token_is_not_given_out_again_when_the_server_can_not_be_asked(path: Path) -> None:
    old = put(path, document(864_000))
    with pytest.raises(IssuerError):
        await store(path, Server(UNAVAILABLE)).replaced(fingerprint(old))


async def test_a_refused_token_is_not_given_out_again_by_a_renewal_that_others_wait_for(path: Path) -> None:
    old = put(path, document(100))
    server = Server(UNAVAILABLE)
    server.may_answer.clear()
    kept = store(path, server)
    early = asyncio.create_task(kept.fresh())
    await asyncio.to_thread(server.was_asked.wait, 30)
    refused = [asyncio.create_task(kept.replaced(fingerprint(old))) for _ in range(3)]
    await asyncio.sleep(0.05)
    server.may_answer.set()
    assert (await early).access_token == old
    for each in refused:
        with pytest.raises(IssuerError):
            await each
    assert server.asked == ["r1"]


async def test_a_refused_token_that_can_not_be_renewed_asks_for_a_login(path: Path) -> None:
    put(path, document(0, refresh_token=None, access="at-opaque"))
    with pytest.raises(LoginError) as e:
        await store(path, Server()).replaced(fingerprint("at-opaque"))
    assert e.value.code == "login_expired"


def test_a_fingerprint_tells_tokens_apart_and_nothing_of_them() -> None:
    token = access_token(0)
    assert fingerprint(token) == fingerprint(token) != fingerprint(token + "x")
    assert fingerprint(token) not in token and len(fingerprint(token)) == 12


# Other programs on the same file.


async def test_what_another_process_renewed_is_taken_over(path: Path) -> None:
    put(path, document(0))
    server = Server()
    kept = store(path, server)
    await kept.current()
    new = put(path, document(864_000, "r2"))
    assert (await kept.fresh()).access_token == new
    assert server.asked == []


async def test_what_another_process_renews_while_we_wait_for_its_lock_is_taken_over(path: Path) -> None:
    put(path, document(0))
    server = Server()
    kept = store(path, server)
    await kept.current()
    async with LoginFile(path).locked():
        waiting = asyncio.create_task(kept.fresh())
        await asyncio.sleep(0)
        new = put(path, document(864_000, "r2"))
    assert (await waiting).access_token == new
    assert server.asked == []


async def test_a_refresh_token_another_process_has_put_there_is_the_one_that_is_spent(path: Path) -> None:
    put(path, document(0, "r1"))
    server = Server(grant("r3"))
    kept = store(path, server)
    await kept.current()
    put(path, document(0, "r2"))
    await kept.fresh()
    assert server.asked == ["r2"]


async def test_a_change_of_the_file_is_noticed_by_requests(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "LOOK_EVERY", 0.0)
    put(path, document(864_000))
    kept = store(path, Server())
    await kept.fresh()
    new = put(path, document(864_000))
    assert (await kept.fresh()).access_token == new


class Counted(LoginFile):
    """A login that counts how often it is read."""

    reads = 0

    def load(self) -> dict[str, Any]:
        self.reads += 1
        return super().load()


async def test_a_file_that_did_not_change_is_not_read_again(path: Path) -> None:
    put(path, document(0))
    file = Counted(path)
    kept = TokenStore(file, Server(grant()), now=lambda: NOW)
    for _ in range(3):
        await kept.current(look=True)
    assert file.reads == 1
    await kept.fresh()
    await kept.current(look=True)
    assert file.reads == 1


async def test_a_login_of_another_account_is_taken_over(path: Path) -> None:
    put(path, document(864_000))
    kept = store(path, Server())
    await kept.fresh()
    other = document(864_000)
    other["tokens"]["account_id"] = "another"
    put(path, other)
    assert (await kept.current(look=True)).account_id == "another"


RENEW = f"""
import asyncio, json, sys
sys.path.insert(0, {str(ADDON)!r})
from pathlib import Path
from codex_proxy.account.login import Grant
from codex_proxy.account.login_file import LoginFile
from codex_proxy.account.tokens import TokenStore
asked = Path(sys.argv[2])
async def refresh(refresh_token, *, proactive, client_id):
    with asked.open("a") as log:
        log.write(refresh_token + "\\n")
    return Grant("opaque", "r2", None, 3600)
print(asyncio.run(TokenStore(LoginFile(Path(sys.argv[1])), refresh).fresh()).access_token)
"""


def test_of_several_processes_one_asks_the_server(path: Path, tmp_path: Path) -> None:
    content = document(0, access="opaque-old")
    content["tokens"]["expires_at"] = 1
    put(path, content)
    asked = tmp_path / "asked"
    processes = [
        subprocess.Popen([sys.executable, "-c", RENEW, str(path), str(asked)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["opaque\n"] * 4
    assert asked.read_text() == "r1\n"


@pytest.mark.usefixtures("quick")
async def test_a_spent_refresh_token_is_looked_for_in_the_file_once_more(path: Path) -> None:
    put(path, document(0))
    new = document(864_000, "r2")

    def spent_by_another() -> Grant:
        put(path, new)
        raise REUSED

    server = Server(spent_by_another)
    kept = store(path, server)
    assert (await kept.fresh()).access_token == new["tokens"]["access_token"]
    assert kept.refused(await kept.current()) is None


@pytest.mark.usefixtures("quick")
async def test_what_another_program_wrote_is_not_taken_over_if_it_has_ended(path: Path) -> None:
    put(path, document(0))

    def spent_by_another() -> Grant:
        put(path, document(0, "r2"))
        raise REUSED

    server = Server(spent_by_another, grant("r3"))
    kept = store(path, server)
    with pytest.raises(LoginError):
        await kept.fresh()
    assert (await kept.fresh()).refresh_token == "r3"
    assert server.asked == ["r1", "r2"]


async def test_the_other_program_has_a_moment_to_write_what_it_got(path: Path) -> None:
    put(path, document(0))
    server = Server(REUSED)
    kept = store(path, server)
    waiting = asyncio.create_task(kept.fresh())
    await asyncio.to_thread(server.was_asked.wait, 30)
    new = await asyncio.to_thread(put, path, document(864_000, "r2"))
    assert (await waiting).access_token == new


async def test_the_official_client_can_write_what_it_got_as_soon_as_it_may(path: Path) -> None:
    put(path, document(0))
    server = Server(REUSED)
    kept = store(path, server)
    waiting = asyncio.create_task(kept.fresh())
    await asyncio.to_thread(server.was_asked.wait, 30)

    def write_as_the_cli_does() -> str:
        with path.with_name("auth.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return put(path, document(864_000, "r2"))

    new = await asyncio.to_thread(write_as_the_cli_does)
    assert (await waiting).access_token == new


async def test_a_lock_that_another_holds_is_not_waited_for_while_the_token_lives(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tokens, "SHORT_PATIENCE", 0.1)
    access = put(path, document(1))
    server = Server(grant())
    kept = store(path, server)
    async with LoginFile(path).locked():
        assert (await asyncio.wait_for(kept.fresh(), 10)).access_token == access
        assert "for 0 s; try again. The current token is valid for another 1 s." in caplog.text
        waiting = asyncio.create_task(kept.replaced(fingerprint(access)))
        await asyncio.sleep(0.3)
        assert not waiting.done() and server.asked == []
    assert (await waiting).refresh_token == "r2"


# Refresh tokens that are dead.


@pytest.mark.usefixtures("quick")
async def test_a_dead_refresh_token_is_asked_about_once_until_the_file_changes(path: Path) -> None:
    put(path, document(0))
    server = Server(REUSED, grant("r3"))
    kept = store(path, server)
    for _ in range(3):
        with pytest.raises(LoginError) as e:
            await kept.fresh()
        assert e.value.code == "refresh_token_reused"
    assert server.asked == ["r1"]
    put(path, document(0, "r2"))
    assert (await kept.fresh()).refresh_token == "r3"
    assert server.asked == ["r1", "r2"]


@pytest.mark.usefixtures("quick")
async def test_a_dead_refresh_token_in_a_file_that_changed_otherwise_is_not_asked_about_again(path: Path) -> None:
    put(path, document(0))
    server = Server(REUSED)
    kept = store(path, server)
    with pytest.raises(LoginError):
        await kept.fresh()
    put(path, document(-1))
    with pytest.raises(LoginError):
        await kept.fresh()
    assert server.asked == ["r1"]


@pytest.mark.usefixtures("quick")
async def test_that_a_login_is_dead_can_be_told_to_others(path: Path) -> None:
    put(path, document(0))
    kept = store(path, Server(REUSED))
    assert kept.refused(await kept.current()) is None
    with pytest.raises(LoginError):
        await kept.fresh()
    told = kept.refused(await kept.current())
    assert told and (told.code, told.message) == (REUSED.code, f"{REUSED.message} {kept.file.remedy}")
    assert kept.refused(Login("a", "another")) is None


@pytest.mark.usefixtures("quick")
async def test_a_login_made_anew_counts_at_once(path: Path) -> None:
    put(path, document(0))
    kept = store(path, Server(REUSED))
    with pytest.raises(LoginError):
        await kept.fresh()
    new = put(path, document(864_000, "r2"))
    assert (await kept.replaced("whatever")).access_token == new


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("failure", [REUSED, UNAVAILABLE], ids=["dead", "out of reach"])
async def test_an_error_told_again_and_again_does_not_grow(path: Path, failure: Exception) -> None:
    put(path, document(0))
    kept = store(path, Server(failure))
    lengths = []
    for _ in range(5):
        with pytest.raises((LoginError, IssuerError)) as e:
            await kept.fresh()
        lengths.append(len(traceback.extract_tb(e.value.__traceback__)))
    assert lengths[2:] == [lengths[1]] * 3


# Failures that may pass.


@pytest.mark.parametrize("ends_in", [SIX_MINUTES - 1, 1])
async def test_while_the_server_is_out_of_reach_the_old_token_is_used_as_long_as_it_lives(
    path: Path, ends_in: float, caplog: pytest.LogCaptureFixture
) -> None:
    access = put(path, document(ends_in))
    server = Server(UNAVAILABLE)
    kept = store(path, server)
    for _ in range(3):
        assert (await kept.fresh()).access_token == access
    assert server.asked == ["r1"]
    assert f"valid for another {ends_in:.0f} s." in caplog.text and access not in caplog.text
    kept.now = lambda: NOW + ends_in
    with pytest.raises(IssuerError):
        await kept.fresh()
    assert server.asked == ["r1"] and in_file(path)["refresh_token"] == "r1"


async def test_a_server_out_of_reach_is_left_alone_for_a_while(path: Path) -> None:
    put(path, document(0))
    server = Server(UNAVAILABLE)
    kept = store(path, server)
    for _ in range(3):
        with pytest.raises(IssuerError) as e:
            await kept.fresh()
        assert e.value.code == "issuer_unavailable"
    assert server.asked == ["r1"]


async def test_after_the_pause_the_server_is_asked_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PAUSE", 0.0)
    put(path, document(0))
    server = Server(UNAVAILABLE, UNAVAILABLE, new := grant())
    kept = store(path, server)
    for _ in range(2):
        with pytest.raises(IssuerError):
            await kept.fresh()
    assert (await kept.fresh()).access_token == new.access_token
    assert server.asked == ["r1"] * 3


async def test_a_second_failure_is_followed_by_a_pause_as_well(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PAUSE", 0.0)
    put(path, document(0))
    server = Server(UNAVAILABLE, UNAVAILABLE)
    kept = store(path, server)
    with pytest.raises(IssuerError):
        await kept.fresh()
    monkeypatch.setattr(tokens, "PAUSE", 1000.0)
    for _ in range(3):
        with pytest.raises(IssuerError):
            await kept.fresh()
    assert server.asked == ["r1"] * 2


async def test_a_pause_ends_though_requests_keep_coming(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PAUSE", 0.2)
    put(path, document(0))
    server = Server(UNAVAILABLE, new := grant())
    kept = store(path, server)

    async def ask_until_it_is_there() -> Login:
        while True:
            with contextlib.suppress(IssuerError):
                return await kept.fresh()

    assert (await asyncio.wait_for(ask_until_it_is_there(), 20)).access_token == new.access_token


async def test_a_pause_does_not_hide_what_another_process_renewed(path: Path) -> None:
    put(path, document(0))
    kept = store(path, Server(UNAVAILABLE))
    with pytest.raises(IssuerError):
        await kept.fresh()
    new = put(path, document(864_000, "r2"))
    assert (await kept.fresh()).access_token == new


async def test_an_unforeseen_failure_leaves_nothing_behind(path: Path) -> None:
    put(path, document(0))
    server = Server(RuntimeError("odd"), grant())
    kept = store(path, server)
    with pytest.raises(RuntimeError):
        await kept.fresh()
    assert sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"]
    assert (await kept.fresh()).refresh_token == "r2"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("failure", [REUSED, UNAVAILABLE], ids=["dead", "out of reach"])
async def test_a_failed_renewal_leaves_nothing_behind(path: Path, failure: Exception) -> None:
    put(path, document(0))
    with pytest.raises((LoginError, IssuerError)):
        await store(path, Server(failure)).fresh()
    assert sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"]


# A file that changes under us.


async def test_a_file_half_written_leaves_the_login_in_memory_in_use(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = put(path, document(864_000))
    kept = store(path, Server())
    await kept.current()
    halve(path)
    assert (await kept.current(look=True)).access_token == access
    assert "Continuing with the login in memory." in caplog.text
    new = put(path, document(864_000))
    assert (await kept.current(look=True)).access_token == new


async def test_a_file_that_is_removed_is_a_log_out(path: Path) -> None:
    access = put(path, document(864_000))
    kept = store(path, Server())
    await kept.current()
    aside = move(path, path.with_name("aside"))
    for _ in range(2):
        with pytest.raises(LoginError) as e:
            await kept.current(look=True)
        assert e.value.code == "login_missing"
    move(aside, path)
    assert (await kept.current()).access_token == access


async def test_a_file_without_tokens_is_a_log_out(path: Path) -> None:
    put(path, document(864_000))
    kept = store(path, Server())
    await kept.current()
    put(path, {"OPENAI_API_KEY": None, "tokens": {}})
    with pytest.raises(LoginError) as e:
        await kept.current(look=True)
    assert e.value.code == "login_missing"


async def test_a_file_replaced_by_another_login_is_taken_over(path: Path) -> None:
    put(path, document(864_000))
    kept = store(path, Server())
    await kept.current()
    new = put(path, document(864_000))
    assert (await kept.current(look=True)).access_token == new


async def test_a_file_half_written_at_the_start_is_told(path: Path) -> None:
    put(path, document(864_000))
    halve(path)
    with pytest.raises(LoginError) as e:
        await store(path, Server()).fresh()
    assert e.value.code == "login_unreadable"


# A folder that takes nothing.


READ_ONLY = f"""
import asyncio, os, sys
sys.path.insert(0, {str(ADDON)!r})
from pathlib import Path
from codex_proxy.errors import LoginError
from codex_proxy.account.login_file import LoginFile
from codex_proxy.account.tokens import TokenStore
async def refresh(refresh_token, *, proactive, client_id):
    print("asked")
async def main():
    store = TokenStore(LoginFile(Path(sys.argv[1])), refresh)
    await store.current()
    if os.geteuid() == 0:
        os.seteuid(65534)  # root may write anywhere
    print("can be read" if store.file.load() else "")
    try:
        await store.fresh()
    except LoginError as e:
        print(e.code)
asyncio.run(main())
"""


@pytest.mark.parametrize("beside", [[], ["auth.lock"]], ids=["no lock file yet", "with a lock file"])
def test_a_folder_that_can_not_be_written_is_told_before_the_refresh_token_is_spent(beside: list[str]) -> None:
    # Not pytest's own folder, which nobody but its owner can reach.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "auth.json"
        content = document(0, access="old")
        content["tokens"]["expires_at"] = 1
        put(path, content)
        for name in beside:
            path.with_name(name).touch()
            path.with_name(name).chmod(0o666)
        path.chmod(0o644)
        path.parent.chmod(0o555)
        try:
            done = subprocess.run(
                [sys.executable, "-c", READ_ONLY, str(path)], capture_output=True, text=True, timeout=60
            )
        finally:
            path.parent.chmod(0o755)
        assert (done.stdout, done.returncode) == ("can be read\nlogin_not_writable\n", 0)
        assert in_file(path)["refresh_token"] == "r1"


@pytest.mark.parametrize("ends_in", [SIX_MINUTES - 1, 1])
async def test_where_nothing_can_be_kept_the_old_token_is_used_as_long_as_it_lives(
    path: Path, ends_in: float, caplog: pytest.LogCaptureFixture
) -> None:
    access = put(path, document(ends_in))
    # Which stops root as well, whom no permission does.
    path.with_name("auth.lock").mkdir()
    server = Server(grant())
    kept = store(path, server)
    assert (await kept.fresh()).access_token == access
    assert f"valid for another {ends_in:.0f} s." in caplog.text and "can't be written to" in caplog.text
    with pytest.raises(LoginError) as e:
        await kept.replaced(fingerprint(access))
    assert e.value.code == "login_not_writable"
    kept.now = lambda: NOW + ends_in
    with pytest.raises(LoginError):
        await kept.fresh()
    assert server.asked == []
    path.with_name("auth.lock").rmdir()
    assert (await kept.fresh()).refresh_token == "r2"


# The file is changed while its token is renewed, by a program that takes no lock.


async def test_a_log_out_while_the_token_is_renewed_is_a_log_out(path: Path) -> None:
    put(path, document(0))

    def logged_out() -> Grant:
        path.unlink()
        return grant()

    kept = store(path, Server(logged_out))
    for _ in range(2):
        with pytest.raises(LoginError) as e:
            await kept.fresh()
        assert e.value.code == "login_missing"
    assert os.listdir(path.parent) == ["auth.lock"]


async def test_a_new_login_while_the_token_is_renewed_stays(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(path, document(0))
    new = document(864_000, "of the new login")

    def logged_in() -> Grant:
        put(path, new)
        return grant()

    kept = store(path, Server(logged_in))
    assert (await kept.fresh()).access_token == new["tokens"]["access_token"]
    assert json.loads(path.read_text()) == new and "received another login" in caplog.text
    assert sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"]


async def test_what_else_is_written_while_the_token_is_renewed_stays(path: Path) -> None:
    old = document(0)
    put(path, old)

    def written() -> Grant:
        put(path, old | {"OPENAI_API_KEY": "just set"})
        return grant()

    assert (await store(path, Server(written)).fresh()).refresh_token == "r2"
    assert in_file(path)["refresh_token"] == "r2"
    assert json.loads(path.read_text())["OPENAI_API_KEY"] == "just set"


async def test_half_a_file_while_the_token_is_renewed_is_written_over(path: Path) -> None:
    put(path, document(0))

    def written() -> Grant:
        halve(path)
        return grant()

    assert (await store(path, Server(written)).fresh()).refresh_token == "r2"
    assert in_file(path)["refresh_token"] == "r2"


async def test_a_renewal_that_is_called_off_holds_the_lock_until_the_server_has_answered(path: Path) -> None:
    put(path, document(0))
    server = Server(grant())
    server.may_answer.clear()
    kept = store(path, server)
    waiting = asyncio.create_task(kept.fresh())
    await asyncio.to_thread(server.was_asked.wait, 30)
    assert kept._renewal
    kept._renewal.cancel()
    with pytest.raises(IssuerError):
        async with LoginFile(path).locked(0.2):
            raise AssertionError("not reached")
    server.may_answer.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert in_file(path)["refresh_token"] == "r2"


# A login of the environment.


async def test_a_login_of_the_environment_is_renewed_into_a_file_that_the_next_start_finds(tmp_path: Path) -> None:
    env = {"OPENAI_OAUTH_REFRESH_TOKEN": "r1", "XDG_STATE_HOME": str(tmp_path / "state")}
    server = Server(new := grant("r2"), grant("r3"))
    first = TokenStore(locate("", env, tmp_path), server, now=lambda: NOW)
    assert (await first.fresh()).access_token == new.access_token
    again = TokenStore(locate("", env, tmp_path), server, now=lambda: NOW)
    assert (await again.fresh()).access_token == new.access_token
    assert server.asked == ["r1"]
    again.now = lambda: NOW + 864_000
    await again.fresh()
    assert server.asked == ["r1", "r2"]


async def test_an_access_token_of_the_environment_is_used_without_a_file(tmp_path: Path) -> None:
    access = access_token(864_000)
    env = {"OPENAI_OAUTH_ACCESS_TOKEN": access, "XDG_STATE_HOME": str(tmp_path / "state")}
    kept = TokenStore(locate("", env, tmp_path), Server(), now=lambda: NOW)
    assert (await kept.fresh()).access_token == access
    assert not (tmp_path / "state").exists()


# A grant without a new access token (docs/backend.md, 8.4).


@pytest.mark.parametrize("rejected", [False, True], ids=["ended", "rejected"])
async def test_a_refresh_token_without_an_access_token_is_kept_and_no_token_that_is_no_good_given_out(
    rejected: bool, path: Path
) -> None:
    access = put(path, document(864_000 if rejected else -5))
    server = Server(Grant(refresh_token="r2"), grant("r3"))
    store = TokenStore(LoginFile(path), server, now=lambda: NOW)
    for _ in range(3):
        with pytest.raises(IssuerError, match="no new access token"):
            await (store.replaced(fingerprint(access)) if rejected else store.fresh())
    assert server.asked == ["r1"] and in_file(path)["refresh_token"] == "r2"
    store._pause = None
    login = await (store.replaced(fingerprint(access)) if rejected else store.fresh())
    assert login.refresh_token == "r3" and server.asked == ["r1", "r2"]


async def test_a_token_that_still_lives_is_used_on_where_no_new_one_came(path: Path) -> None:
    access = put(path, document(SIX_MINUTES - 1))
    server = Server(Grant(refresh_token="r2"))
    store = TokenStore(LoginFile(path), server, now=lambda: NOW)
    for _ in range(3):
        assert (await store.fresh()).access_token == access
    assert server.asked == ["r1"] and in_file(path)["refresh_token"] == "r2"
