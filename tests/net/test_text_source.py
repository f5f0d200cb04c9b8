import asyncio
import json
import logging
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codex_proxy.net.text_source import LARGEST, LIFE, REST, FileText, WebText, checked, source


@pytest.mark.parametrize(
    "where, says",
    [
        ("nope.md", "can't be read: No such file"),
        (".", "it is a folder"),
        ("empty.md", "is empty"),
        ("binary.md", "is not text in UTF-8"),
        ("large.md", "is larger than 1 MB"),
        ("http://example.org/a", "could be changed in transit; use https"),
        ("ftp://example.org/a", "not an http"),
        ("https://me:secret@example.org/a", "has more than"),
    ],
)
def test_what_can_be_no_source_is_told(where: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.md").write_text(" \n")
    Path("binary.md").write_bytes(b"\xff\xfe\x00")
    Path("large.md").write_bytes(b"x" * (LARGEST + 1))
    with pytest.raises(ValueError, match=says):
        source(where, tmp_path, "agent")


def test_a_file_that_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="it is a pipe"):
        FileText(tmp_path / "pipe")


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.md"
    path.write_text("first — ünverändert")
    text = FileText(path)
    assert await text.current() == "first — ünverändert"

    path.write_text("the second")
    assert await text.current() == "the second"

    path.write_bytes(b"\xff")
    assert [await text.current() for _ in range(3)] == ["the second"] * 3
    path.unlink()
    assert [await text.current() for _ in range(3)] == ["the second"] * 3
    assert len(caplog.records) == 2 and "the last good text stays in use" in caplog.text

    path.write_text("the third")
    assert await text.current() == "the third"


def test_a_mark_of_the_byte_order_is_no_part_of_a_text() -> None:
    assert checked("\ufeffx".encode(), "it") == "x"


class Web:
    """A server of one text, over a real socket; `status` 0: it hangs up without an answer."""

    def __init__(self) -> None:
        self.text, self.etag, self.status = b"official", '"1"', 200
        self.more = ""
        self.asked: list[dict[str, str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        self.asked.append(headers)
        await self.open.wait()
        if self.status:
            status = 304 if headers.get("if-none-match") == self.etag else self.status
            body = self.text if status == 200 else b""
            head = f"HTTP/1.1 {status} X\r\nETag: {self.etag}\r\n{self.more}Content-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()


@pytest.fixture
async def web(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Web]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served = Web()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/official.md"
    async with server:
        yield served


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def settled(text: WebText) -> None:
    await text._refreshed.wait(10)


async def test_a_text_from_an_address_is_asked_for_once_an_hour_by_its_mark(web: Web, tmp_path: Path) -> None:
    clock = Clock()
    text = WebText(web.url, tmp_path / "state", "agent/1", clock)
    assert [await text.current() for _ in range(3)] == ["official"] * 3
    assert len(web.asked) == 1 and web.asked[0]["user-agent"] == "agent/1"
    assert not {"authorization", "cookie", "if-none-match"} & set(web.asked[0])

    clock.now += LIFE
    await text.current()
    await settled(text)
    assert web.asked[1]["if-none-match"] == '"1"' and text.text == "official"

    web.text, web.etag = "new — ü".encode(), '"2"'
    clock.now += LIFE
    assert await text.current() == "official"  # in the background
    await settled(text)
    assert await text.current() == "new — ü"


async def test_it_is_kept_on_disk_and_serves_from_there(web: Web, tmp_path: Path) -> None:
    await WebText(web.url, tmp_path / "state", "agent/1").current()
    (kept,) = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert json.loads(kept.read_text())["text"] == "official"

    web.status = 0
    text = WebText(web.url, tmp_path / "state", "agent/1")
    assert await text.current() == "official"
    await settled(text)
    assert await text.current() == "official" and web.asked[-1]["if-none-match"] == '"1"'


@pytest.mark.parametrize("kept", [b"", b"{}", b"[]", b'{"url": 5}', b"\xff"])
async def test_what_was_kept_in_another_form_is_not_used(kept: bytes, web: Web, tmp_path: Path) -> None:
    await WebText(web.url, tmp_path, "agent").current()
    (path,) = tmp_path.iterdir()
    path.write_bytes(kept)
    assert WebText(web.url, tmp_path, "agent").text == ""


TROUBLE = [
    ("status", 500, "answered with status 500"), ("status", 301, "it has moved to /elsewhere: name that one"),
    ("status", 0, "can't be fetched"), ("text", b"", "it is empty"), ("text", b"\xff", "not text in UTF-8"),
    ("text", b"x" * (LARGEST + 1), "larger than 1 MB"),
]  # fmt: skip


@pytest.mark.parametrize("name, value, says", TROUBLE)
async def test_the_last_good_text_serves_while_none_can_be_had(
    name: str, value: object, says: str, web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    text = WebText(f"{web.url}?key=mine", tmp_path, "agent", clock)
    await text.current()
    good = getattr(web, name)
    setattr(web, name, value)
    web.etag, web.more = '"2"', "Location: /elsewhere\r\n"
    for wait in (LIFE, REST):
        clock.now += wait
        await text.current()
        await settled(text)
        assert await text.current() == "official"
        assert text._refreshed.rests  # not asked again at once
    assert len(caplog.records) == 1 and says in caplog.text and "the last good text stays in use" in caplog.text
    assert "key=mine" not in caplog.text and len(web.asked) == 3

    setattr(web, name, good if name == "status" else b"again")
    clock.now += REST
    await text.current()
    await settled(text)
    assert await text.current() == ("official" if name == "status" else "again")


async def test_a_server_that_does_not_answer_holds_a_first_request_up_for_a_moment_only(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codex_proxy.net.text_source.PATIENCE", 0.05)
    web.open.clear()
    text = WebText(web.url, tmp_path, "agent")
    assert await text.current() == ""
    web.open.set()
    await settled(text)
    assert await text.current() == "official"


async def test_a_folder_that_can_not_be_written_to_is_told_and_the_text_is_used(
    web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    text = WebText(web.url, tmp_path / "file", "agent")
    assert await text.current() == "official"
    assert "can't be saved in" in caplog.text and "can't be fetched" not in caplog.text
