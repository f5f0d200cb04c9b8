import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import ctx, exceptions, http
from mitmproxy.test import taddons

from codex_proxy.addons.guard import Guard, host_of, is_of_another_site, presented_key, resolve_key
from codex_proxy.addons.settings import Settings
from codex_proxy.listeners import is_loopback
from codex_proxy.redact import HIDDEN


@pytest.mark.parametrize(
    "header, host",
    [
        ("localhost", "localhost"),
        ("localhost:9090", "localhost"),
        ("127.0.0.1:9090", "127.0.0.1"),
        ("[::1]:9090", "[::1]"),
        ("[::1]", "[::1]"),
        ("evil.example:9090", "evil.example"),
        ("", ""),
        (":9090", ""),
    ],
)
def test_a_host_header_names_a_host_without_its_port(header: str, host: str) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize("header", ["[::1", "[", "[]", "[::1]evil.example", "localhost@evil.example", "localhost/"])
def test_a_host_header_that_is_odd_is_not_taken_for_more_than_it_says(header: str) -> None:
    assert not is_loopback(host_of(header)) or host_of(header) == "[::1]"


def test_a_plain_key_is_the_option_itself() -> None:
    assert resolve_key("a plain:key") == "a plain:key"


def test_no_key_is_no_key() -> None:
    assert resolve_key("") == ""


def test_a_key_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "from the environment")
    assert resolve_key("env:MY_KEY") == "from the environment"


@pytest.mark.parametrize("value", [None, ""])
def test_an_environment_without_the_key_is_told(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ValueError, match="no MY_KEY"):
        resolve_key("env:MY_KEY")


def test_a_key_can_come_from_a_file_without_its_last_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    assert resolve_key(f"file:{tmp_path}/key") == "from a file"


def test_a_key_file_is_found_in_the_persons_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("at home")
    assert resolve_key("file:~/key") == "at home"


@pytest.mark.parametrize(
    "content, problem",
    [(None, "can't be read"), (b"\xff\xfe", "can't be read"), (b"", "is empty"), (b" \n", "is empty")],
)
def test_a_key_file_that_has_no_key_is_told(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        resolve_key(f"file:{tmp_path}/key")


@pytest.mark.parametrize("key", ["one\ntwo", "a\0b", "a\x1b[31m", "a\x7f"])
def test_a_key_that_no_client_can_present_is_told(tmp_path: Path, key: str) -> None:
    (tmp_path / "key").write_text(key)
    for option in (key, f"file:{tmp_path}/key"):
        with pytest.raises(ValueError, match="no client can present"):
            resolve_key(option)


def basic(said: str) -> str:
    return "Basic " + base64.b64encode(said.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "elsewhere", "at_the_page"),
    [
        ("Bearer open", "open", "open"),
        (basic("anybody:open"), "", "open"),
        (basic(":open"), "", "open"),
        (basic("a:open:sesame"), "", "open:sesame"),
        (basic("a:öpen"), "", "öpen"),
        (basic("a:open").replace("Basic", "bAsIc"), "", "open"),
        (basic("open"), "", ""),
        ("Basic open", "", ""),
        ("Basic !!!!", "", ""),
        ("Basic", "", ""),
        ("", "", ""),
    ],
)
def test_a_password_is_a_key_at_the_page_alone(authorization: str, elsewhere: str, at_the_page: str) -> None:
    headers = http.Headers(authorization=authorization)
    assert [presented_key(headers, is_page=False), presented_key(headers, is_page=True)] == [elsewhere, at_the_page]


@pytest.mark.parametrize(
    ("site", "kind", "refused"),
    [
        ("cross-site", "image", True),
        ("cross-site", "script", True),
        ("cross-site", "iframe", True),
        ("cross-site", "empty", True),
        ("cross-site", "", True),
        ("same-site", "image", True),  # another port of this machine
        ("cross-site", "document", False),
        ("same-origin", "empty", False),
        ("none", "document", False),
        ("", "", False),
    ],
)
def test_a_page_of_another_site_may_link_here_and_load_nothing(site: str, kind: str, refused: bool) -> None:
    given = [("sec-fetch-site", site), ("sec-fetch-dest", kind), ("sec-fetch-mode", "no-cors")]
    headers = http.Headers([(name.encode(), value.encode()) for name, value in given if value])
    assert is_of_another_site(headers) is refused


class Refusing:
    """Another addon, with an option that it refuses."""

    def configure(self, _: set[str]) -> None:
        if ctx.options.showhost:
            raise exceptions.OptionsError("not with me")


EVERYWHERE, HERE = "reverse:https://chatgpt.com@0.0.0.0:9090", "reverse:https://chatgpt.com@127.0.0.1:9090"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[taddons.context, Guard]]:
    """A proxy on all interfaces, with keys to be found in the environment and in its folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new"):
        monkeypatch.setenv(name, f"the {name} key")
        (tmp_path / name).write_text(f"the {name} key")
    with taddons.context(Settings(), guard := Guard(), Refusing()) as tctx:
        yield tctx, guard


async def change(tctx: taddons.context, **options: Any) -> None:
    try:
        tctx.options.update(**options)
    finally:
        await asyncio.sleep(0)  # a key that is the option itself is hidden in the loop's next turn


KEYS = [("the {} key", HIDDEN), ("env:{}", "env:{}"), ("file:{}", "file:{}")]


@pytest.mark.parametrize("old, old_shown", KEYS)
@pytest.mark.parametrize(
    "refused",
    [
        {"codex_client_key": ""},
        {"codex_client_key": "env:NOT_THERE"},
        {"mode": [EVERYWHERE], "codex_client_key": ""},
        *({"showhost": True, "codex_client_key": new} for new in ("", "the new key", "env:new", "file:new")),
        {"showhost": True, "codex_client_key": "", "mode": [HERE]},
    ],
)
async def test_a_change_that_anybody_refuses_leaves_the_key(
    keys: tuple[taddons.context, Guard], old: str, old_shown: str, refused: dict[str, Any]
) -> None:
    tctx, guard = keys
    await change(tctx, codex_client_key=old.format("old"), mode=[EVERYWHERE])
    for _ in range(2):
        with pytest.raises(exceptions.OptionsError):
            await change(tctx, **refused)
        assert (guard.key, tctx.options.codex_client_key) == ("the old key", old_shown.format("old"))


@pytest.mark.parametrize("old, _", KEYS)
@pytest.mark.parametrize("new, new_shown", KEYS)
async def test_a_key_can_be_changed_and_taken_away(
    keys: tuple[taddons.context, Guard], old: str, _: str, new: str, new_shown: str
) -> None:
    tctx, guard = keys
    await change(tctx, codex_client_key=old.format("old"), mode=[EVERYWHERE])
    await change(tctx, codex_client_key=new.format("new"))
    assert (guard.key, tctx.options.codex_client_key) == ("the new key", new_shown.format("new"))
    with pytest.raises(exceptions.OptionsError):
        await change(tctx, codex_client_key="")
    assert guard.key == "the new key"
    await change(tctx, codex_client_key="", mode=[HERE])
    assert guard.key == ""


async def test_the_hidden_text_alone_is_no_key(keys: tuple[taddons.context, Guard]) -> None:
    tctx, guard = keys
    await change(tctx, codex_client_key="env:old")
    with pytest.raises(exceptions.OptionsError, match="set it again"):
        await change(tctx, codex_client_key=HIDDEN)
    assert guard.key == "the old key"
