"""The client key: where it is read from, and what happens to it when an option is changed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import ctx, exceptions
from mitmproxy.test import taddons

from codex_proxy.addons.options import Options
from codex_proxy.output.redact import HIDDEN
from codex_proxy.steps.client_key import ClientKey, resolve_key


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
        with pytest.raises(ValueError, match="no client can send"):
            resolve_key(option)


class Refusing:
    """Another addon, with an option that it refuses."""

    def configure(self, _: set[str]) -> None:
        if ctx.options.showhost:
            raise exceptions.OptionsError("not with me")


EVERYWHERE, HERE = "reverse:https://chatgpt.com@0.0.0.0:9090", "reverse:https://chatgpt.com@127.0.0.1:9090"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[taddons.context, ClientKey]]:
    """A proxy on all interfaces, with keys to be found in the environment and in its folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new"):
        monkeypatch.setenv(name, f"the {name} key")
        (tmp_path / name).write_text(f"the {name} key")
    with taddons.context(Options(), key := ClientKey(), Refusing()) as tctx:
        yield tctx, key


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
    keys: tuple[taddons.context, ClientKey], old: str, old_shown: str, refused: dict[str, Any]
) -> None:
    tctx, key = keys
    await change(tctx, codex_client_key=old.format("old"), mode=[EVERYWHERE])
    for _ in range(2):
        with pytest.raises(exceptions.OptionsError):
            await change(tctx, **refused)
        assert (key.value, tctx.options.codex_client_key) == ("the old key", old_shown.format("old"))


@pytest.mark.parametrize("old, _", KEYS)
@pytest.mark.parametrize("new, new_shown", KEYS)
async def test_a_key_can_be_changed_and_taken_away(
    keys: tuple[taddons.context, ClientKey], old: str, _: str, new: str, new_shown: str
) -> None:
    tctx, key = keys
    await change(tctx, codex_client_key=old.format("old"), mode=[EVERYWHERE])
    await change(tctx, codex_client_key=new.format("new"))
    assert (key.value, tctx.options.codex_client_key) == ("the new key", new_shown.format("new"))
    with pytest.raises(exceptions.OptionsError):
        await change(tctx, codex_client_key="")
    assert key.value == "the new key"
    await change(tctx, codex_client_key="", mode=[HERE])
    assert key.value == ""


async def test_the_hidden_text_alone_is_no_key(keys: tuple[taddons.context, ClientKey]) -> None:
    tctx, key = keys
    await change(tctx, codex_client_key="env:old")
    with pytest.raises(exceptions.OptionsError, match="set the key again"):
        await change(tctx, codex_client_key=HIDDEN)
    assert key.value == "the old key"
