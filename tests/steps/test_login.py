import time
from pathlib import Path

import pytest
from mitmproxy import exceptions
from mitmproxy.test import taddons

from codex_proxy.account import tokens
from codex_proxy.errors import LoginError
from codex_proxy.output import redact
from codex_proxy.steps.login import Login

from .flows import configure
from .in_process import write_login


async def test_a_login_that_is_used_is_repeated_nowhere(login: Login) -> None:
    fresh = await login.store.fresh()
    said = f"{fresh.access_token} of {fresh.account_id}"
    assert fresh.access_token not in redact.redact(said)
    assert fresh.expires_at and fresh.expires_at > time.time() + tokens.LEEWAY


@pytest.mark.parametrize(
    ("cookie", "goes_up"),
    [
        (None, None),
        (b"__cf_bm=1; path=/", "__cf_bm=1"),
        (b"session=1; path=/", None),
    ],
)
async def test_the_headers_of_a_login_are_its_token_account_and_cookies(
    login: Login, cookie: bytes | None, goes_up: str | None
) -> None:
    url = "http://127.0.0.1:9/backend-api/codex"
    if cookie:
        login.jar.keep(url, [(b"set-cookie", cookie)])
    fresh = await login.store.fresh()
    headers = login.headers(fresh)
    assert headers.pop("Cookie", None) == goes_up
    assert headers == {"Authorization": f"Bearer {fresh.access_token}", "ChatGPT-Account-ID": "acc-1"}


@pytest.mark.parametrize(
    ("given", "words"),
    [("", ""), ("~nobody-of-this-name/auth.json", "there is no user of this name"), ("{folder}", "is a folder"), ("{folder}/", "is a folder")],
)  # fmt: skip
def test_what_can_be_no_file_is_refused(context: taddons.context, tmp_path: Path, given: str, words: str) -> None:
    login = Login()
    if not words:
        configure(login, codex_auth_file=given)
        return
    with pytest.raises(exceptions.OptionsError, match=words):
        configure(login, codex_auth_file=given.format(folder=tmp_path))


async def test_another_file_is_another_login_and_another_backend_has_no_cookies(login: Login, tmp_path: Path) -> None:
    before, cookies = login.store, login.jar
    configure(login, codex_model_default="gpt-6-sol")
    assert login.store is before and login.jar is cookies
    write_login(tmp_path / "other.json")
    configure(login, codex_auth_file=str(tmp_path / "other.json"))
    assert login.store is not before and login.jar is cookies
    configure(login, codex_upstream="http://127.0.0.1:10/")
    assert login.jar is not cookies


async def test_without_its_file_there_is_no_login(login: Login, tmp_path: Path) -> None:
    configure(login, codex_auth_file=str(tmp_path / "none.json"))
    with pytest.raises(LoginError, match=r"none\.json") as told:
        await login.store.fresh()
    assert told.value.status == 401
