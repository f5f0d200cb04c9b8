"""`scripts/ask`: a question from the shell, and a captured request sent once more, through the real proxy."""

import asyncio
import base64
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codex_proxy.printable import UNSAFE
from free_port import free_port
from standin import Standin

from ..places import ROOT
from .a_script import run
from .harness import PATIENCE, QUESTION, Proxy, Start, environment, new_client


async def ask(proxy: str, tmp_path: Path, *args: str, stdin: bytes = b"", **env: str) -> tuple[int, str, str]:
    """Exit status, what it printed, what it said on standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "scripts" / "ask.py"), "--url", proxy, *args, cwd=tmp_path, env=environment(tmp_path, **env),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(stdin), PATIENCE)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_question_is_answered_as_the_first_model_of_the_account(
    proxy: Proxy, standin: Standin, tmp_path: Path
) -> None:
    standin.answer(text="Twelve degrees, ünverändert.")
    assert await ask(proxy.url, tmp_path, "What is", "the weather?") == (0, "Twelve degrees, ünverändert.\n", "")
    request = standin.requests[1]
    assert request.json["model"] == json.loads(await models(proxy))["data"][0]["id"]
    assert request.json["input"][0]["content"][0]["text"] == "What is the weather?"


async def test_an_answer_drives_no_terminal(proxy: Proxy, standin: Standin, tmp_path: Path) -> None:
    text = "\x1b]0;title\x07\x1b[31mred\x9b32m \u202egnp.exe\r\n\tand 👩\u200d💻 stays"
    standin.answer(text=text)
    _, out, _ = await ask(proxy.url, tmp_path, "a")
    assert out == "\\x1b]0;title\\x07\\x1b[31mred\\x9b32m \\u202egnp.exe\n\tand 👩\u200d💻 stays\n"
    standin.answer(text=text)
    _, out, _ = await ask(proxy.url, tmp_path, "--json", "a")
    assert not UNSAFE.search(out) and json.loads(out)["output"][-1]["content"][0]["text"] == text


async def models(proxy: Proxy) -> str:
    async with new_client(proxy) as client:
        return (await client.get("/v1/models")).text


async def test_standard_input_stands_below_the_question(proxy: Proxy, standin: Standin, tmp_path: Path) -> None:
    status, _, _ = await ask(
        proxy.url, tmp_path, "--model", "gpt-6-sol", "--effort", "low", "Is it right?", stdin=b"a = 1\n"
    )
    assert status == 0
    sent = standin.requests[0].json
    assert sent["input"][0]["content"][0]["text"] == "Is it right?\n\na = 1"
    assert sent["reasoning"] == {"effort": "low"}


PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


async def test_files_go_along(proxy: Proxy, standin: Standin, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("Stadt,Höhe\nOslo,23\n")
    (tmp_path / "chart.png").write_bytes(PNG)
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7\n")
    files = [part for name in ("table.csv", "chart.png", "report.pdf") for part in ("--file", name)]
    status, _, err = await ask(proxy.url, tmp_path, "--model", "gpt-6-sol", *files, "What is this?", stdin=b"Say it.")

    assert (status, err) == (0, "")
    assert standin.requests[0].json["input"][0]["content"] == [
        {"type": "input_text", "text": "What is this?\n\nSay it."},
        {"type": "input_text", "text": "table.csv:\n\nStadt,Höhe\nOslo,23\n"},
        {"type": "input_image", "image_url": "data:image/png;base64," + base64.b64encode(PNG).decode()},
        {
            "type": "input_file",
            "filename": "report.pdf",
            "file_data": "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.7\n").decode(),
        },
    ]


@pytest.mark.parametrize(
    "name, data, says", [("a.bin", b"\xff\x00", "not text in UTF-8"), ("a.txt", None, "No such file")]
)
async def test_a_file_that_cannot_go_is_named(name: str, data: bytes | None, says: str, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    status, out, err = await ask("http://127.0.0.1:1", tmp_path, "--model", "m", "--file", name, "x")
    assert (status, out) == (1, "") and err.startswith(f"{name} can't be sent: ") and says in err, err


async def test_the_whole_response_as_json(proxy: Proxy, standin: Standin, tmp_path: Path) -> None:
    standin.answer(text="Twelve degrees, ünverändert.")
    status, out, err = await ask(proxy.url, tmp_path, "--model", "gpt-6-sol", "--json", "x")
    answer = json.loads(out)
    assert (status, err, answer["status"]) == (0, "", "completed")
    assert answer["output"][-1]["content"][0]["text"] == "Twelve degrees, ünverändert." and "ünver" in out
    assert answer["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("failure, printed, said", [
    ("model-refused", "", "model_not_found: "), ("cut-close", "failed", ""), ("failed", "failed", ""), ("incomplete", "incomplete", ""),
])  # fmt: skip
async def test_json_of_an_answer_that_is_not_whole(
    failure: str, printed: str, said: str, proxy: Proxy, standin: Standin, tmp_path: Path
) -> None:
    standin.fail(failure)
    status, out, err = await ask(proxy.url, tmp_path, "--model", "gpt-6-sol", "--json", "x")
    assert status == 1 and said in err and "Traceback" not in err, err
    assert (json.loads(out)["status"] if out else "") == printed


async def test_a_tools_call_is_told_beside_the_answer(proxy: Proxy, standin: Standin, tmp_path: Path) -> None:
    standin.answer(tool=("get_weather", {"city": "Oslo"}))
    status, out, err = await ask(proxy.url, tmp_path, "--model", "gpt-6-sol", "x")
    assert (status, out) == (0, "")
    assert err.startswith('[calls get_weather({"city":') and "Oslo" in err


@pytest.mark.parametrize(
    "failure, said",
    [
        ("model-refused", "model_not_found: "),
        ("usage-limit", "usage_limit_reached: "),
        ("cut-close", "stream_broken: "),
        ("failed", "server_error: "),
        ("incomplete", "incomplete: max_output_tokens"),
    ],
)
async def test_an_error_is_told_and_is_the_exit_status(
    failure: str, said: str, proxy: Proxy, standin: Standin, tmp_path: Path
) -> None:
    standin.fail(failure)
    status, _, err = await ask(proxy.url, tmp_path, "--model", "gpt-6-sol", "x")
    assert status == 1 and said in err and "Traceback" not in err, err


async def test_no_proxy_is_said_with_what_to_do(tmp_path: Path) -> None:
    status, out, err = await ask(f"http://127.0.0.1:{free_port()}", tmp_path, "--model", "m", "x")
    assert (status, out) == (1, "") and err.endswith("Start it: scripts/serve\n"), err


@pytest.mark.parametrize(
    "args", [(), ("--capture", "a.json", "and a question"), ("--capture", "a.json", "--file", "b")]
)
async def test_it_wants_a_question_or_a_file(args: tuple[str, ...], tmp_path: Path) -> None:
    status, _, err = await ask("http://127.0.0.1:1", tmp_path, *args)
    assert status == 2 and "a question, or --capture FILE" in err


@pytest.mark.parametrize("text", [None, "no json", "[]", '{"request_line": "x"}'])
async def test_a_file_that_is_no_capture_is_told(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    status, _, err = await ask("http://127.0.0.1:1", tmp_path, "--capture", "a.json")
    assert status == 1 and err.startswith("a.json can't be sent: ") and "Traceback" not in err, err


async def test_a_captured_request_goes_to_the_backend_as_the_client_sent_it(
    proxy: Proxy, start: Start, standin: Standin, tmp_path: Path
) -> None:
    image = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8).decode()
    body = QUESTION | {
        "temperature": 1,
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": image}]}],
    }
    sent = {"session_id": "one", "x-api-key": "the-callers-own-key"}
    capture = await start(codex_capture=tmp_path / "captured", codex_dry_run="true")
    async with new_client(capture) as client:
        assert (await client.post("/v1/responses?api_key=mine", json=body, headers=sent)).status_code == 200
    async with new_client(proxy) as client:
        await client.post("/v1/responses", json=body, headers=sent)
    file = tmp_path / "captured" / "0001.json"
    assert image not in file.read_text()
    status, out, _ = await ask(proxy.url, tmp_path, "--capture", str(file), "--raw")

    assert status == 0 and "response.completed" in out, out
    directly, again = standin.requests
    assert again.json == directly.json
    assert again.header("session_id") == directly.header("session_id") == "one"


# What other servers answer, and how it ends.


@contextlib.asynccontextmanager
async def server(body: bytes, kind: str = "application/json") -> AsyncIterator[str]:
    """One that answers everything alike; its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\n\r\n%s" % (kind.encode(), body))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as running:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("body, args, said", [
    (b"<html>", (), "can't be read: Expecting value"), (b'{"error": "text"}', (), "error: text\n"),
    (b'["a"]', (), "list of models could not be fetched"), (b'{"models": ["a"]}', (), "list of models could not be fetched"),
    (b'{"models": 5}', (), "list of models could not be fetched"), (b"<html>", ("--model", "m", "--json"), "can't be read: Expecting"),
])  # fmt: skip
async def test_what_another_server_answers_is_told(
    body: bytes, args: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    async with server(body) as url:
        status, out, err = await ask(url, tmp_path, *args, "x")
    assert (status, out) == (1, "") and said in err and "Traceback" not in err and "can't be sent" not in err, err


def stream(*events: object) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def chunk(content: str | None = None, ends: str | None = None) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": content} if content else {}, "finish_reason": ends}]}


FAILED = {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "Sorry."}}}


@pytest.mark.parametrize("events, args, ended", [
    ([chunk("Twelve "), chunk("degrees."), chunk(ends="stop"), {"choices": [], "usage": {}}], (), (0, "Twelve degrees.\n", "")),
    ([chunk("Twelve"), chunk(ends="length")], (), (1, "Twelve\n", "incomplete: length\n")),
    ([chunk("Twelve"), {"error": {"code": "stream_broken", "message": "Gone."}}], (), (1, "Twelve\n", "stream_broken: Gone.\n")),
    ([chunk("Twelve")], (), (1, "Twelve\n", "")),
    ([FAILED], (), (1, "", "server_error: Sorry.\n")),
    ([["odd"], {"type": "response.output_item.done", "item": 5}, {"type": "error", "error": "text"}], (), (1, "", "error: text\n")),
    ([chunk(ends="stop")], ("--raw",), (0, stream(chunk(ends="stop")).decode(), "")),
    ([FAILED], ("--raw",), (1, stream(FAILED).decode(), "")),
])  # fmt: skip
async def test_the_end_of_a_stream_is_the_exit_status(
    events: list[object], args: tuple[str, ...], ended: tuple[int, str, str], tmp_path: Path
) -> None:
    body = {"json": {"model": "m", "messages": [], "stream": True}}
    capture = {"request_line": "POST /v1/chat/completions HTTP/1.1", "headers": [], "body": body}
    (tmp_path / "a.json").write_text(json.dumps(capture))
    async with server(stream(*events), "text/event-stream") as url:
        status, out, err = await ask(url, tmp_path, "--capture", "a.json", *args)
    assert (status, out.rstrip("\n"), err.strip("\n")) == (ended[0], ended[1].rstrip("\n"), ended[2].strip("\n"))


async def test_what_standard_input_holds_need_not_be_utf_8(proxy: Proxy, standin: Standin, tmp_path: Path) -> None:
    env = {"PYTHONIOENCODING": "utf-8:strict"}
    assert (await ask(proxy.url, tmp_path, "--model", "gpt-6-sol", "x", stdin=b"\xe9\n", **env))[0] == 0
    assert standin.requests[0].json["input"][0]["content"][0]["text"] == "x\n\n\ufffd"


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://127.0.0.1:no", "127.0.0.1:9090", "http://", "\x00"])
async def test_an_address_that_is_none_is_told(url: str, tmp_path: Path) -> None:
    for script in ("ask", "status"):
        args = () if script == "status" else ("x",)
        ended = await run(script, tmp_path, *args, CODEX_PROXY_PORT="99999") if url == "\x00" else await run(
            script, tmp_path, "--url", url, *args
        )  # fmt: skip
        assert ended.status == 2 and "is not an address such as" in ended.err and "Traceback" not in ended.err, ended


@pytest.mark.parametrize("command", [
    "ask --url http://127.0.0.1:1 --model m x", "login", "login --paste", "logout --yes", "status --probe", "status",
])  # fmt: skip
async def test_without_any_standard_input_nothing_breaks(command: str, tmp_path: Path) -> None:
    script, _, args = command.partition(" ")
    issuer = "" if script == "ask" else "--issuer http://127.0.0.1:1"
    line = f"exec {sys.executable} {ROOT / 'scripts' / script}.py {args} {issuer} <&-"
    process = await asyncio.create_subprocess_shell(
        line, cwd=tmp_path, env=environment(tmp_path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode in (0, 1, 2) and err and b"Traceback" not in err, err


@pytest.mark.parametrize("script", ["login", "logout", "status"])
async def test_a_home_folder_of_nobody_is_told(script: str, tmp_path: Path) -> None:
    ended = await run(script, tmp_path, "--auth-file", "~nobody-has-this/x")
    assert ended.status == 2 and "there is no user of this name" in ended.err, ended
    ended = await run(script, tmp_path, *(["--paste"] if script == "login" else []), CODEX_HOME="~nobody-has-this/x")
    assert "Traceback" not in ended.err, ended
