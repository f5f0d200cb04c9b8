import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions, http
from mitmproxy import flow as mitmproxy_flow

from codex_proxy.steps import exchanges
from codex_proxy.steps.capture import Capture, is_let_in, message_of
from codex_proxy.steps.patching import Patching
from codex_proxy.walk.exchange import Exchange

from .flows import asked, configure, finished

pytestmark = pytest.mark.usefixtures("context")

TOKEN = "sk-" + "a1" * 20


@pytest.fixture
def capture(tmp_path: Path, context: object) -> Iterator[Capture]:
    configure(step := Capture(Patching()), codex_capture=str(tmp_path / "captures"))
    yield step
    step.thread.submit(lambda: None).result(5)


def come(
    body: Any = None, headers: list[tuple[str, str]] | None = None, **known: Any
) -> tuple[http.HTTPFlow, Exchange]:
    """A request that was admitted."""
    flow, exchange = asked(body=body, headers=headers or [], **known)
    exchanges.keep_original_head(flow, exchange)
    return flow, exchange


def captured(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((folder / "captures").glob("*.json"))]


@pytest.mark.parametrize(
    ("body", "coding", "kept"),
    [
        ({"model": "m", "input": "Hi"}, "", {"body": {"model": "m", "input": "Hi"}}),
        (b"no json", "", {"text": "no json"}),
        (b"", "", {}),
        (gzip.compress(b'{"a":1}', mtime=0), "gzip", {"body": {"a": 1}}),
        (b"no gzip", "gzip", {}),
        (b"whatever", "rot13", {}),
        ({"input": f"my key is {TOKEN}"}, "", None),
    ],
)
async def test_what_a_client_sends_is_kept_without_secrets(
    capture: Capture, tmp_path: Path, body: Any, coding: str, kept: dict[str, Any] | None
) -> None:
    flow, exchange = come(None if isinstance(body, bytes) else body, [("content-encoding", coding)] if coding else [])
    if isinstance(body, bytes):
        flow.request.raw_content = body
    assert await finished(capture.request(flow, exchange))
    (found,) = captured(tmp_path)
    text = json.dumps(found)
    assert TOKEN not in text and "Bearer any" not in text
    if kept is not None:
        assert {key: found[key] for key in ("body", "text") if key in found} == kept
    assert found["number"] == 1 and found["request_line"] == "POST /v1/responses HTTP/1.1"
    assert ("note" in found["sent"]) is (bool(coding) and not kept)


@pytest.mark.parametrize(
    ("status", "known", "stream", "told"),
    [
        (200, {"sent_at": 1.0}, False, {"status": 200, "by": "backend"}),
        (400, {"sent_at": 1.0}, False, {"status": 400, "by": "backend", "message": "It is wrong."}),
        (400, {"sent_at": 1.0}, True, {"status": 400, "by": "backend"}),
        (404, {"refused": "unknown_path"}, False, {"status": 404, "by": "proxy", "code": "unknown_path", "message": "It is wrong."}),
        (200, {}, False, None),
    ],
)  # fmt: skip
async def test_how_it_was_answered_is_kept_with_it(
    capture: Capture, tmp_path: Path, status: int, known: dict[str, Any], stream: bool, told: dict[str, Any] | None
) -> None:
    flow, exchange = come({"model": "m"})
    await finished(capture.request(flow, exchange))
    for name, value in known.items():
        setattr(exchange, name, value)
    flow.response = http.Response.make(status, b'{"error":{"message":"It is wrong."}}')
    flow.response.stream = (lambda data: data) if stream else False
    await finished(capture.response(flow, exchange))
    (found,) = captured(tmp_path)
    assert found.get("answer") == told


@pytest.mark.parametrize("is_kept", [True, False])
async def test_what_breaks_off_is_kept_with_why(capture: Capture, tmp_path: Path, is_kept: bool) -> None:
    flow, exchange = come({"model": "m"})
    if is_kept:
        await finished(capture.request(flow, exchange))
    flow.error = mitmproxy_flow.Error(f"peer closed {TOKEN}")
    assert await finished(capture.error(flow, exchange))
    (found,) = captured(tmp_path)
    assert "peer closed" in (found["answer"]["message"] if is_kept else found["sent"]["note"])
    assert TOKEN not in json.dumps(found)


@pytest.mark.parametrize(
    ("case", "is_wanted"),
    [
        ("as it is", True),
        ("no folder", False),
        ("replayed", False),
        ("no original", False),
        ("refused by key, from here", True),
        ("refused by key, from elsewhere", False),
        ("refused, from elsewhere", True),
        ("preflight", False),
    ],
)
def test_what_is_kept_and_what_is_not(capture: Capture, case: str, is_wanted: bool) -> None:
    flow, exchange = come({"model": "m"})
    if "elsewhere" in case:
        flow.client_conn.peername = ("192.0.2.1", 5)
    if case == "no folder":
        configure(capture, codex_capture="")
    elif case == "replayed":
        flow.is_replay = "request"
    elif case == "no original":
        exchange.original = None
    elif case.startswith("refused by key"):
        exchange.refused, flow.response = "wrong_client_key", http.Response.make(401)
    elif case.startswith("refused"):
        exchange.refused, flow.response = "unknown_path", http.Response.make(404)
    elif case == "preflight":
        flow.request.method, flow.response = "OPTIONS", http.Response.make(204)
        flow.request.headers["origin"] = "http://localhost:5173"
        flow.request.headers["access-control-request-method"] = "POST"
    assert capture.wants(flow, exchange) is is_wanted


@pytest.mark.parametrize(
    ("status", "refused", "let_in"),
    [(None, "", True), (200, "", True), (404, "unknown_path", True), (401, "wrong_client_key", False), (403, "origin_refused", False), (500, "proxy_failed", False)],
)  # fmt: skip
def test_a_caller_that_may_not_call_was_not_admitted(status: int | None, refused: str, let_in: bool) -> None:
    flow, exchange = asked(refused=refused)
    flow.response = http.Response.make(status) if status else None
    assert is_let_in(flow, exchange) is let_in


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"error":{"message":"It is wrong."}}', "It is wrong."),
        ('{"detail":"It is wrong."}', "It is wrong."),
        ('{"detail":[1]}', '{"detail":[1]}'),
        ('{"error":{}}', "None"),
        ("[]", "[]"),
        ("words", "words"),
        ("", ""),
    ],
)
def test_an_error_is_told_in_its_own_words(text: str, message: str) -> None:
    assert message_of(text) == message


@pytest.mark.parametrize("number", [0, 1, 3])
async def test_at_the_end_there_is_a_report(
    capture: Capture, tmp_path: Path, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(number):
        await finished(capture.request(*come({"model": "gpt-6-sol", "input": "Hi"})))
    with caplog.at_level(logging.INFO):
        capture.done()
    assert (tmp_path / "captures" / "report.md").exists() is bool(number)
    assert (f"{number} requests captured" in caplog.text) is bool(number)
    assert [one["number"] for one in captured(tmp_path)] == list(range(1, number + 1))


def test_a_report_is_made_where_something_is_captured(capture: Capture, tmp_path: Path) -> None:
    assert capture.report() and (tmp_path / "captures" / "report.md").exists()
    configure(capture, codex_capture="")
    with pytest.raises(exceptions.CommandError, match="codex_capture"):
        capture.report()


def test_a_folder_that_can_not_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(exceptions.OptionsError, match="codex_capture"):
        configure(Capture(Patching()), codex_capture=str(tmp_path / "file" / "captures"))


async def test_a_disk_that_fails_is_told_of_once_and_the_requests_go_on(
    capture: Capture, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    captures = tmp_path / "captures"
    captures.rmdir()
    captures.write_text("in the way")
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            await finished(capture.request(*come({"model": "m"})))
        captures.unlink()
        await finished(capture.request(*come({"model": "m"})))
    told = [record.message for record in caplog.records]
    assert [line.partition(" in ")[0] for line in told] == ["Requests can't be saved", "Requests are saved again."]
    assert len(captured(tmp_path)) == 1
