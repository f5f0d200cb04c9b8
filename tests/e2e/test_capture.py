"""Capture mode and dry run: the real proxy without a login, real clients, and the script around a real command."""

import asyncio
import base64
import json
import os
import re
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from codex_proxy.capture import folder as capture_folder
from standin import Standin

from ..places import NANOBOT, ROOT
from .harness import PATIENCE, QUESTION, Proxy, Start, environment, events, new_client

SECRETS = {
    "header": "sk-proj-MARKheader1234567890",
    "x-api-key": "MARKapikey1234567890abcdef",
    "cookie": "MARKcookie1234567890",
    "query": "MARKquery1234567890",
    "body": "sk-proj-MARKbody1234567890",
    "key": "sk-proj-MARKname1234567890",
    "jwt": "eyJhbGciOiJSUzI1NiJ9.eyJlbWFpbCI6Ik1BUktqd3QifQ.MARKjwtsignature",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "captured"


@pytest.fixture
async def dry(start: Start, standin: Standin, folder: Path, tmp_path: Path) -> AsyncIterator[Proxy]:
    """The proxy in capture mode and dry run, without a login; at the end the backend has seen nothing."""
    yield await start(
        codex_capture=folder, codex_dry_run="true", codex_auth_file=tmp_path / "none.json",
        codex_upstream=standin.upstream, codex_issuer=standin.issuer,
    )  # fmt: skip
    assert standin.requests == []


def captured(folder: Path) -> list[capture_folder.Document]:
    found = capture_folder.read(folder)
    assert [document["number"] for document in found] == list(range(1, len(found) + 1))
    return found


async def send(proxy: Proxy, request: dict[str, Any], body: dict[str, Any]) -> httpx2.Response:
    """As nanobot sends it, header by header."""
    headers = [(name, value) for name, value in request["headers"] if name != "Host"]
    async with httpx2.AsyncClient(base_url=proxy.url, timeout=PATIENCE, trust_env=False) as client:
        client.headers.clear()
        return await client.post(request["request_line"].split()[1], headers=headers, content=json.dumps(body).encode())


async def test_nanobot_is_taken_through_a_tool_loop_without_a_login(dry: Proxy, folder: Path) -> None:
    request, body = NANOBOT["first_turn"], dict(NANOBOT["first_turn"]["body"])
    called = []
    for _ in range(5):
        response = await send(dry, request, body)
        assert response.status_code == 200, response.text
        # nanobot reads the last event and nothing else.
        output = events(response.text)[-1]["response"]["output"]
        body["input"] = [*body["input"], *output]
        calls = [item for item in output if item["type"] == "function_call"]
        if not calls:
            break
        for call in calls:
            called.append((call["name"], json.loads(call["arguments"])))
            body["input"].append({"type": "function_call_output", "call_id": call["call_id"], "output": "12"})

    assert called == [("count_words", {"text": "dry-run"})]
    assert output[-1]["content"][0]["text"].startswith("This is a dry run")
    first, second = captured(folder)
    assert first["body"] == NANOBOT["first_turn"]["body"]
    assert first["request_line"] == "POST /responses HTTP/1.1"
    order = [name for name, _ in NANOBOT["first_turn"]["headers"] if name != "Host"]
    assert [name for name, _ in first["headers"] if name in order] == order
    assert second["body"]["input"] == body["input"][:-2]
    await dry.stop()
    report = (folder / "report.md").read_text()
    assert "**Works with the patch, by docs/backend.md as of 2026-11-28.**" in report
    assert "yes: it sends back what only they had" in report
    assert "2 requests captured. Works with the patch" in dry.log


async def test_each_request_of_nanobot_is_answered_and_kept(dry: Proxy, folder: Path) -> None:
    requests = [request for request in NANOBOT.values() if request["request_line"].startswith("POST /responses")]
    for number, request in enumerate(requests):
        response = await send(dry, request, request["body"])
        assert response.status_code == 200, request
        document = captured(folder)[number]
        assert json.loads(capture_folder.restored(document, folder)) == request["body"]


async def test_the_captured_request_can_be_sent_again(dry: Proxy, folder: Path) -> None:
    image = base64.b64encode(os.urandom(1_500_000)).decode()
    part = {"type": "input_image", "image_url": f"data:image/png;base64,{image}"}
    body = {**QUESTION, "input": [{"role": "user", "content": [part]}]}
    async with new_client(dry) as client:
        await client.post("/v1/responses", json=body)

    (document,) = captured(folder)
    assert (folder / "0001.json").stat().st_size < 5000
    assert document["sent"]["body_bytes"] > 2_000_000
    assert json.loads(capture_folder.restored(document, folder)) == body


@pytest.fixture
async def sdk(dry: Proxy) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=dry.url + "/v1", api_key="dummy", timeout=PATIENCE, max_retries=0) as client:
        yield client


async def test_the_sdk_streaming_through_a_tool_loop(sdk: openai.AsyncOpenAI, dry: Proxy, folder: Path) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools: Any = [{"type": "function", "name": "get_weather", "strict": True, "parameters": parameters}]
    conversation: list[Any] = [{"role": "user", "content": "Weather?"}]
    async with sdk.responses.stream(model="gpt-6-sol", input=conversation, tools=tools) as stream:
        first = await stream.get_final_response()
    conversation += [item.model_dump() for item in first.output]
    (call,) = [item for item in first.output if item.type == "function_call"]
    conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": "12"})
    async with sdk.responses.stream(model="gpt-6-sol", input=conversation, tools=tools) as stream:
        said = [event.delta async for event in stream if event.type == "response.output_text.delta"]

    assert json.loads(call.arguments) == {"city": "dry-run"}
    assert "".join(said).startswith("This is a dry run")
    assert len(captured(folder)) == 2
    await dry.stop()
    assert "yes: it sends back what only they had" in (folder / "report.md").read_text()


async def test_the_sdk_not_streaming(sdk: openai.AsyncOpenAI, folder: Path) -> None:
    answer = await sdk.responses.create(model="gpt-6-sol", input="hi", temperature=0.1)
    models = await sdk.models.list()

    assert answer.output_text.startswith("This is a dry run")
    assert answer.usage and answer.usage.total_tokens
    assert "gpt-6-sol" in [model.id for model in models.data]
    assert captured(folder)[0]["body"] == {"model": "gpt-6-sol", "input": "hi", "temperature": 0.1}


async def test_chat_completions_are_answered_too(sdk: openai.AsyncOpenAI, dry: Proxy, folder: Path) -> None:
    messages: list[Any] = [{"role": "user", "content": "Weather?"}]
    tools: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    async with sdk.chat.completions.stream(model="gpt-6-sol", messages=messages, tools=tools) as stream:
        called = (await stream.get_final_completion()).choices[0]
    (call,) = called.message.tool_calls or []
    messages += [called.message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    answer = await sdk.chat.completions.create(model="gpt-6-sol", messages=messages, tools=tools)

    assert (called.finish_reason, call.function.name) == ("tool_calls", "get_weather")
    assert str(answer.choices[0].message.content).startswith("This is a dry run")
    assert len(captured(folder)) == 2
    await dry.stop()
    report = (folder / "report.md").read_text()
    assert "Works with the patch" in report and "POST /v1/chat/completions" in report


async def test_twenty_at_once_are_numbered_without_gaps(dry: Proxy, folder: Path) -> None:
    for name in ("0001.json", "0002.json"):
        (folder / name).write_text(json.dumps({"number": int(name[:4]), "request_line": "GET / HTTP/1.1"}))
    async with new_client(dry) as client:
        asked = [client.post("/responses", json={**QUESTION, "input": f"No. {n}"}) for n in range(20)]
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}

    found = captured(folder)
    assert len(found) == 22
    assert {document["body"]["input"] for document in found[2:]} == {f"No. {n}" for n in range(20)}


REFUSED: list[tuple[str, str, bytes, dict[str, str], int, str]] = [
    ("POST", "/v1/chat/completions", b'{"messages": [1]}', {}, 400, "invalid_messages"),
    ("POST", "/v1/embeddings?key=x", b'{"input": "a"}', {}, 404, "unknown_path"),
    ("PUT", "/v1/responses", b'{"a": 1}', {}, 405, "wrong_method"),
    ("POST", "/v1/responses", b'{"broken": ', {}, 400, "invalid_json"),
    ("POST", "/v1/responses", b"", {}, 400, "empty_body"),
    ("POST", "/v1/responses", b'{"previous_response_id": "x"}', {}, 400, "previous_response_not_found"),
    ("POST", "/v1/responses", b"{}", {"content-encoding": "gzip"}, 400, "bad_encoding"),
    ("POST", "/v1/responses", b'{"a": 1}', {"origin": "https://example.org"}, 403, "origin_refused"),
    ("GET", "/v1/responses", b"", {"upgrade": "websocket", "connection": "upgrade"}, 426, "use_http"),
]


async def test_a_refused_request_is_kept_with_the_refusal(dry: Proxy, folder: Path) -> None:
    for number, (method, path, body, headers, status, code) in enumerate(REFUSED):
        async with new_client(dry) as client:
            response = await client.request(method, path, content=body, headers=headers)

        assert response.status_code == status, response.text
        document = captured(folder)[number]
        assert document["request_line"] == f"{method} {path.replace('=x', '=[hidden by the proxy]')} HTTP/1.1"
        assert document["answer"]["code"] == code
        assert document["answer"]["message"] == response.json()["error"]["message"]
        if status in (404, 405):
            assert document["body"] == json.loads(body)
        if code == "invalid_json":
            assert document["text"] == '{"broken": '


async def test_what_is_too_large_is_told_and_not_kept(start: Start, folder: Path, tmp_path: Path) -> None:
    proxy = await start(codex_capture=folder, codex_dry_run="true", codex_body_limit="1k")
    async with new_client(proxy) as client:
        answers = [await client.post("/responses", json={**QUESTION, "input": "x" * 5000})]

        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"input": "' + b"x" * 5000
            yield b'"}'

        answers.append(await client.post("/responses", content=pieces()))
        answers.append(await client.post("/nowhere", content=pieces()))

    assert [answer.status_code for answer in answers] == [413, 413, 404]
    found = captured(folder)
    assert [document["sent"]["note"] for document in found] == ["the body is larger than 1k and was not kept"] * 3
    assert not any("body" in document or "text" in document for document in found)


async def test_a_request_broken_off_is_kept(dry: Proxy, folder: Path) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", dry.ports[0])
    writer.write(b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
    writer.write_eof()
    await reader.read()
    writer.close()
    await dry.logged(r"POST /v1/responses")
    await dry.stop()

    (document,) = captured(folder)
    assert document["sent"]["note"].startswith("broken off: ")


async def test_no_secret_is_in_any_file(dry: Proxy, folder: Path) -> None:
    headers = {
        "authorization": f"Bearer {SECRETS['header']}",
        "x-api-key": SECRETS["x-api-key"],
        "cookie": f"a={SECRETS['cookie']}",
        "x-other": f"token {SECRETS['jwt']}",
    }
    hidden = {"text": f"my key is {SECRETS['body']}, or {SECRETS['jwt']}", SECRETS["key"]: 1}
    async with new_client(dry) as client:
        for path in ("/v1/responses", "/v1/chat/completions", "/nowhere"):
            await client.post(f"{path}?key={SECRETS['query']}", json={**QUESTION, "metadata": hidden}, headers=headers)
            await client.post(f"{path}?key={SECRETS['query']}", content=f"{{{hidden}", headers=headers)
    await dry.stop()

    assert len(captured(folder)) == 6
    assert sorted(path.name for path in folder.iterdir()) == [*(f"{n:04}.json" for n in range(1, 7)), "report.md"]
    for written in (path for path in folder.rglob("*") if path.is_file()):
        text = written.read_text()
        texts = [
            text,
            *(
                base64.b64decode(run[: len(run) & ~3]).decode("latin-1")
                for run in re.findall(r"[A-Za-z\d+/]{16,}", text, re.A)
            ),
        ]
        assert not [path for each in texts if "MARK" in each], path


async def test_strangers_leave_nothing(start: Start, folder: Path) -> None:
    proxy = await start(codex_capture=folder, codex_dry_run="true", codex_client_key="right-key-1234567890")
    async with new_client(proxy) as client:
        refused = await client.post("/responses", json=QUESTION)
        taken = await client.post("/responses", json=QUESTION, headers={"authorization": "Bearer right-key-1234567890"})

    assert (refused.status_code, taken.status_code) == (401, 200)
    refusal, request = captured(folder)
    # From this machine: told, but without the body.
    assert refusal["answer"]["code"] == "wrong_client_key"
    assert "body" not in refusal
    assert "right-key" not in json.dumps(request)


async def test_nobody_else_can_read_it_whatever_the_umask(start: Start, folder: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        proxy = await start(codex_capture=folder / "below", codex_dry_run="true")
    finally:
        os.umask(before)
    async with new_client(proxy) as client:
        await client.post("/responses", json={**QUESTION, "input": "A1b2" * 200})
    await proxy.stop()

    found = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert len(found) == 6
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}


async def test_a_folder_that_can_not_be_written_stops_no_request(dry: Proxy, folder: Path) -> None:
    async with new_client(dry) as client:
        assert (await client.post("/responses", json=QUESTION)).status_code == 200
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.write_text("in the way")
        for _ in range(3):
            assert (await client.post("/responses", json=QUESTION)).status_code == 200
        folder.unlink()
        assert (await client.post("/responses", json=QUESTION)).status_code == 200
    await dry.stop()

    troubles = [line for line in dry.lines if "can't be saved" in line]
    assert (
        len(troubles) == 1 and str(folder) in troubles[0] and "The requests themselves are not affected." in troubles[0]
    )
    assert "Requests are saved again." in dry.log
    assert len(capture_folder.read(folder)) == 1


async def test_a_file_in_place_of_the_folder_is_told_at_the_start(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    proxy = await start(codex_capture=tmp_path / "file", wait=False)
    proxy.may_fail = True

    assert await proxy.ended() == 1
    assert re.search(r"codex_capture=\S+file: .*is not a folder", proxy.log)


@pytest.mark.parametrize("given", [("codex_dry_run=maybe",), ("codex_dry_run=true", "codex_dry_run=false")])
async def test_a_dry_run_that_is_none_does_not_start(given: tuple[str, ...], start: Start) -> None:
    # mitmproxy would listen all the same and pass every request on.
    proxy = await start(*(part for one in given for part in ("--set", one)), wait=False)

    assert await proxy.ended() == 1
    assert "allowed: true, false" in proxy.log


async def test_a_dry_run_without_a_value_is_one(start: Start) -> None:
    proxy = await start("--set", "codex_dry_run")
    await proxy.logged("Dry run: ")


async def test_a_dry_run_from_the_configuration_file_is_one(start: Start, tmp_path: Path) -> None:
    (tmp_path / "mitmproxy").mkdir()
    (tmp_path / "mitmproxy" / "config.yaml").write_text("codex_dry_run: true\n")
    proxy = await start()
    await proxy.logged("Dry run: ")


async def test_live_what_the_backend_answered_is_kept_too(
    start: Start, standin: Standin, login_file: Path, folder: Path
) -> None:
    proxy = await start(
        codex_capture=folder, codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file
    )
    async with new_client(proxy) as client:
        assert (await client.post("/responses", json=QUESTION)).status_code == 200
        refused = await client.post("/responses", json={**QUESTION, "model": "gpt-9"})
    tokens = json.loads(login_file.read_text())["tokens"]
    await proxy.stop()

    first, second = captured(folder)
    assert first["answer"] == {"status": 200, "by": "backend"}
    assert (second["answer"]["status"], refused.status_code) == (400, 404)
    assert "is not supported" in second["answer"]["message"]
    assert "Will fail: the backend answered 400" in (folder / "report.md").read_text()
    written = "".join(path.read_text() for path in folder.iterdir())
    assert not [name for name, token in tokens.items() if token in written]


SCRIPT = ROOT / "scripts" / "capture.py"
CLIENT = """
import json, os, sys, urllib.request
url, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
request = urllib.request.Request(url + "/responses", json.dumps({"model": "gpt-6-sol", "input": "hi"}).encode(),
                                 {"Authorization": "Bearer " + key, "User-Agent": "my-client/7"})
print(json.load(urllib.request.urlopen(request))["output"][-1]["content"][0]["text"])
print(" ".join(sys.argv[1:]), url.endswith("/v1"), flush=True)
"""


async def script(tmp_path: Path, *arguments: str, **more: Any) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), "--dir", str(tmp_path / "out"), "--set", f"confdir={tmp_path / 'mitmproxy'}", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path, env=environment(tmp_path, OPENAI_API_KEY="sk-MARKreal1234567890", **more),
    )  # fmt: skip


async def result(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_script_runs_a_command_and_tells_of_it(tmp_path: Path) -> None:
    code = CLIENT + "sys.exit(7)"
    status, out, err = await result(
        await script(tmp_path, "--", sys.executable, "-c", code, "--live", "--", "x", HTTP_PROXY="http://192.0.2.1:1")
    )

    assert status == 7, err
    said, arguments, *report = out.splitlines()
    assert said == "This is a dry run, nothing was sent to the backend."
    assert arguments == "--live -- x True"
    assert "**Works with the patch, by docs/backend.md as of 2026-11-28.**" in report
    assert (tmp_path / "out" / "report.md").read_text().strip() == "\n".join(report).strip()
    assert "my-client/7" in out
    assert str(tmp_path / "out") in err
    assert "MARK" not in "".join(path.read_text() for path in (tmp_path / "out").iterdir())


async def test_the_script_tells_of_a_command_that_is_not_there(tmp_path: Path) -> None:
    status, out, err = await result(await script(tmp_path, "--", "no-such-command-here"))

    assert status == 127
    assert "no-such-command-here" in err
    assert "Nothing to assess" in out


async def test_the_script_tells_what_kept_the_proxy_from_starting(tmp_path: Path) -> None:
    status, _, err = await result(await script(tmp_path, "--set", "codex_patch=nonsense", "--", "true"))

    assert status == 1
    assert "codex_patch='nonsense'" in err


async def test_the_script_sees_that_the_addon_is_missing(tmp_path: Path) -> None:
    # mitmproxy listens all the same, and would pass the client's key on.
    status, _, err = await result(
        await script(tmp_path, "--set", "codex_patch=full", "--set", "codex_patch=full", "--", "true")
    )

    assert status == 1
    assert "twice" in err or "2 times" in err


async def test_live_the_script_sends_to_the_backend(standin: Standin, login_file: Path, tmp_path: Path) -> None:
    sets = {"codex_upstream": standin.upstream, "codex_issuer": standin.issuer, "codex_auth_file": login_file}
    arguments = [part for name, value in sets.items() for part in ("--set", f"{name}={value}")]
    status, out, err = await result(await script(tmp_path, "--live", *arguments, "--", sys.executable, "-c", CLIENT))

    assert status == 0, err
    assert "You said: hi" in out
    assert len(standin.requests) == 1


async def address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    async with asyncio.timeout(PATIENCE):
        while line := (await process.stderr.readline()).decode():
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                return found[0]
    raise AssertionError("ended without an address")


async def test_the_script_without_a_command_ends_with_ctrl_c(tmp_path: Path) -> None:
    process = await script(tmp_path)
    async with httpx2.AsyncClient(base_url=await address(process), timeout=PATIENCE, trust_env=False) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
    process.send_signal(signal.SIGINT)
    status, out, err = await result(process)

    assert status == 0, err
    assert "**Works with the patch" in out


async def test_ctrl_c_ends_the_command_and_still_prints_the_report(tmp_path: Path) -> None:
    code = (
        CLIENT
        + "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); print('up', flush=True); signal.pause()"
    )
    process = await script(tmp_path, "--", sys.executable, "-c", code, "x")
    assert process.stdout
    async with asyncio.timeout(PATIENCE):
        while (await process.stdout.readline()).strip() != b"up":
            assert not process.stdout.at_eof()
    process.send_signal(signal.SIGTERM)
    status, out, err = await result(process)

    assert status == 5, err
    assert "**Works with the patch" in out


async def test_ctrl_c_in_a_terminal_reaches_the_command_first(tmp_path: Path) -> None:
    code = CLIENT + (
        "import signal\ntry: print('up', flush=True); signal.pause()\nexcept KeyboardInterrupt:\n"
        "    urllib.request.urlopen(request); print('bye', flush=True); sys.exit(3)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), "--dir", str(tmp_path / "out"), "--set", f"confdir={tmp_path / 'mitmproxy'}",
        "--", sys.executable, "-c", code, "x", start_new_session=True, cwd=tmp_path, env=environment(tmp_path),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    async with asyncio.timeout(PATIENCE):
        while (await process.stdout.readline()).strip() != b"up":
            assert not process.stdout.at_eof()
    os.killpg(process.pid, signal.SIGINT)
    status, out, err = await result(process)

    assert status == 3, err
    # The proxy was still there for the command's last request.
    assert "bye" in out
    assert len(captured(tmp_path / "out")) == 2
