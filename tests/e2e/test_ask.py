"""`scripts/ask`: a question from the shell, and a captured request sent once more, through the real proxy."""

import asyncio
import base64
import json
import sys
from pathlib import Path

import pytest

from free_port import free_port
from standin import Standin

from ..places import ROOT
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
    "name, data, says", [("a.bin", b"\xff\x00", "no text in UTF-8"), ("a.txt", None, "No such file")]
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
    ("model-refused", False, "model_not_found: "), ("cut-close", False, "stream_broken: "),
    ("failed", True, ""), ("incomplete", True, ""),
])  # fmt: skip
async def test_json_of_an_answer_that_is_not_whole(
    failure: str, printed: bool, said: str, proxy: Proxy, standin: Standin, tmp_path: Path
) -> None:
    standin.fail(failure)
    status, out, err = await ask(proxy.url, tmp_path, "--model", "gpt-6-sol", "--json", "x")
    assert status == 1 and said in err and "Traceback" not in err, err
    assert (json.loads(out)["status"] == failure) if printed else not out


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
