"""Words from outside: they forge no line of the log, no header and no comment, and an answer that repeats a request has no secret in it."""

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mitmproxy import http, io

from codex_proxy.printable import UNSAFE
from standin import Standin

from .harness import PATIENCE, QUESTION, Proxy, Start, ask, new_client, write_login
from .raw_backend import answer, listening, request_head
from .test_odd_answers import stream

BODY = json.dumps(QUESTION).encode()

type Reply = Callable[[bytes], bytes]


class Backend:
    """Answers each POST with what `reply` makes of its head; a new connection for each."""

    def __init__(self) -> None:
        self.reply: Reply = lambda head: answer(stream("hello"))
        self.heads: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await request_head(reader)
            if head.startswith(b"POST"):
                self.heads.append(head)
                writer.write(self.reply(head))
            else:
                writer.write(answer(b"{}", status="404 Not Found", kind="application/json"))
            await writer.drain()
        writer.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend()
    async with listening(backend.serve) as backend.url:
        yield backend


@pytest.fixture
async def odd(start: Start, backend: Backend, standin: Standin, login_file: Path, tmp_path: Path) -> Proxy:
    return await start(
        "-w", str(tmp_path / "saved.flows"), "--set", "termlog_verbosity=debug", "--set", "flow_detail=2",
        codex_upstream=backend.url, codex_issuer=standin.issuer, codex_auth_file=login_file, codex_capture=tmp_path / "captured",
    )  # fmt: skip


async def raw(proxy: Proxy, *head: bytes, body: bytes = BODY) -> tuple[bytes, bytes]:
    """Status line and body of the answer to a head as it stands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    try:
        lines = [*head, b"Connection: close", b"Content-Length: %d" % len(body), b"", body]
        writer.write(b"\r\n".join(lines))
        async with asyncio.timeout(PATIENCE):
            whole = await reader.read()
    finally:
        writer.close()
    top, _, rest = whole.partition(b"\r\n\r\n")
    return top, rest


POST = b"POST /v1/responses HTTP/1.1"
HOST = b"Host: localhost"
JSON = b"Content-Type: application/json"


def saved(path: Path) -> list[http.HTTPFlow]:
    with path.open("rb") as file:
        return [flow for flow in io.FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]


# What a client says.


CONTROLS = [
    b"session_id: a\rX-Injected: b", b"session_id: a\0b", b"x-client-request-id: a\x00b", b"thread-id: \x1b[31m",
    b"conversation_id: a\x7f", b"x-codex-turn-state: a\rb", b"X-Anything: a\rb", b"user-agent: a\x08",
]  # fmt: skip


async def test_a_header_with_a_control_character_goes_nowhere(
    odd: Proxy, backend: Backend, subtests: pytest.Subtests
) -> None:
    for header in CONTROLS:
        with subtests.test(header=header):
            top, body = await raw(odd, POST, HOST, JSON, header)
            assert top.startswith(b"HTTP/1.1 400 ") and backend.heads == []
            error = json.loads(body)["error"]
            assert error["code"] == "malformed_request" and header.partition(b":")[0].decode() in error["message"]
    assert (await raw(odd, POST, HOST, JSON))[0].startswith(b"HTTP/1.1 200 ")


ODD_HEADS: dict[str, tuple[int, tuple[bytes, ...]]] = {
    "host": (403, (POST, b"Host: \xff")),
    "origin": (403, (POST, HOST, b"Origin: http://\xff\xfe")),
    "path": (404, (b"POST /v1/\xff\xc3 HTTP/1.1", HOST)),
    "a path that colours": (404, (b"POST /v1/\x1b[31m\x9b HTTP/1.1", HOST)),
    "query": (404, (b"POST /v1/x?\xff=\xff HTTP/1.1", HOST)),
    "method": (405, (b"\xff /v1/responses HTTP/1.1", HOST)),
    "a method that colours": (405, ("P\x9b31m\u202e /v1/responses HTTP/1.1".encode(), HOST)),
    "content-encoding": (415, (POST, HOST, JSON, b"Content-Encoding: \xff")),
    "content-type": (200, (POST, HOST, b"Content-Type: \xff")),
    "accept": (200, (POST, HOST, JSON, b"Accept: \xff")),
    "user-agent": (200, (POST, HOST, JSON, b"User-Agent: \xff\xe2\x80\xae")),
    "session": (200, (POST, HOST, JSON, b"session_id: \xff\xc3\xa9\x85")),
    "key": (200, (POST, HOST, JSON, b"x-api-key: \xff")),
    "a header's name": (0, (POST, HOST, JSON, b"X-\xff: a")),
}


async def test_bytes_of_a_client_that_are_no_text_fail_nothing(
    odd: Proxy, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    for name, (status, head) in ODD_HEADS.items():
        with subtests.test(name):
            top, body = await raw(odd, *head)
            assert not top.startswith(b"HTTP/1.1 5"), (top, body)
            assert not status or top.startswith(b"HTTP/1.1 %d " % status), (top, body)
            if status >= 400:
                assert json.loads(body)["error"]["message"]
    assert (await raw(odd, POST, HOST, JSON))[0].startswith(b"HTTP/1.1 200 ")
    await odd.stop()
    assert "Traceback" not in odd.log and not any(UNSAFE.search(line) for line in odd.lines)
    # Each can be written, whatever is kept of it.
    assert len(saved(tmp_path / "saved.flows")) >= len(ODD_HEADS)


MODEL = "gpt\n[00:00:00.000] FORGED\x1b[31m\u202e\u2028\x9b"


async def test_a_models_name_forges_no_line(odd: Proxy, tmp_path: Path) -> None:
    async with new_client(odd) as client:
        headers = {b"user-agent": "a/1 \N{LATIN SMALL LETTER E WITH ACUTE}".encode("latin-1")}
        await client.post("/v1/responses", json={**QUESTION, "model": MODEL}, headers=headers)
        await odd.logged(r"POST /v1/responses .*FORGED")
        page = (await client.get("/", headers={"accept": "application/json"})).json()
    await odd.stop()
    (line,) = [line for line in odd.lines if "FORGED" in line and "POST" in line]
    assert "gpt\\n[00:00:00.000] FORGED\\x1b[31m\\u202e\\u2028\\x9b" in line
    assert not any(UNSAFE.search(line) for line in odd.lines)
    assert not UNSAFE.search(page["requests"][0]["model"])
    (asked, *_) = saved(tmp_path / "saved.flows")
    assert "FORGED" in asked.comment and asked.comment.isprintable()
    report = (tmp_path / "captured" / "report.md").read_text()
    assert "FORGED" in report and not UNSAFE.search(report)
    captured = (tmp_path / "captured" / "0001.json").read_text()
    assert not UNSAFE.search(captured) and json.loads(captured)["body"]["model"] == MODEL


async def test_what_mitmproxy_itself_repeats_forges_no_line_either(odd: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", odd.ports[0])
    writer.write(b"NOT HTTP \x1b[31m\r\n[00:00:00.000] FORGED \xff\xe2\x80\xae\r\n\r\n")
    await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    assert (await raw(odd, POST, HOST, JSON))[0].startswith(b"HTTP/1.1 200 ")
    await odd.stop()
    assert not any(UNSAFE.search(line) for line in odd.lines)


# What the backend says.

ODD_ANSWERS = {
    "control characters": ("x-request-id: a\0b\rX-Injected: 1", "x-b: \x1b[31m"),
    "no text": ("x-request-id: \xff\x85",),
    "a name that is none": ("x a\x1b: 1",),
}


async def test_no_header_of_the_backends_forges_one(odd: Proxy, backend: Backend, subtests: pytest.Subtests) -> None:
    for name, headers in ODD_ANSWERS.items():
        with subtests.test(name):
            lines = "\r\n".join(headers).encode("latin-1")
            backend.reply = lambda head, lines=lines: answer(stream("hello")).replace(
                b"\r\n", b"\r\n" + lines + b"\r\n", 1
            )  # type: ignore[misc]
            top, _ = await raw(odd, POST, HOST, JSON)
            for line in top.split(b"\r\n")[1:]:
                field, _, value = line.partition(b":")
                assert re.fullmatch(rb"[\w-]+", field) and not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value), line
    await odd.stop()
    assert not any(UNSAFE.search(line) for line in odd.lines)


async def test_what_is_between_the_backends_machines_goes_neither_down_nor_into_a_file(
    odd: Proxy, backend: Backend, tmp_path: Path
) -> None:
    hidden = (
        "x-oai-is-update: SEALED",
        "X-OpenAI-Internal-Route: SEALED",
        "x-oai-anything: SEALED",
        "set-cookie: a=SEALED",
    )
    backend.reply = lambda head: answer(stream("hello"), *hidden, "x-oai-request-id: for-support")
    async with new_client(odd) as client:
        got = await client.post("/v1/responses", json=QUESTION)
    assert got.headers["x-oai-request-id"] == "for-support" and "SEALED" not in str(got.headers)
    await odd.stop()
    assert b"SEALED" not in (tmp_path / "saved.flows").read_bytes() and "SEALED" not in odd.log


async def test_a_cookie_breaks_no_later_request(odd: Proxy, backend: Backend, subtests: pytest.Subtests) -> None:
    refusal = answer(b'{"detail": "Unauthorized"}', status="401 Unauthorized", kind="application/json")
    for cookie in (b"a\rX-Injected: 1", b"a\0b", b"x" * 5000, b"\xff"):
        line = b"\r\nset-cookie: __cf_bm=" + cookie + b"\r\n"
        with subtests.test(cookie=cookie[:10]):
            # The second is repeated with another token, by a client of our own.
            replies = [
                *(each.replace(b"\r\n", line, 1) for each in (answer(stream("one")), refusal)),
                answer(stream("two")),
            ]
            backend.reply = lambda head, replies=replies: replies.pop(0)  # type: ignore[misc]
            for word in (b"one", b"two"):
                top, body = await raw(odd, POST, HOST, JSON)
                assert top.startswith(b"HTTP/1.1 200 ") and word in body, (top, body)
    assert len(backend.heads) == 12 and not any(re.search(rb"[\r\n]X-Injected", head) for head in backend.heads)


def echo_error(head: bytes) -> bytes:
    body = json.dumps(
        {"error": {"message": head.decode("latin-1"), "code": "x", "param": head.decode("latin-1")}}
    ).encode()
    return answer(body, status="400 Bad Request", kind="application/json")


def echo_text(head: bytes) -> bytes:
    return answer(head, status="500 X", kind="text/plain")


def echo_in_forms(head: bytes) -> bytes:
    forms = [base64.b64encode(head).decode(), quote(head), head.hex(), json.dumps(head.decode("latin-1"))]
    return answer(json.dumps({"detail": " ".join(forms)}).encode(), status="400 Bad Request", kind="application/json")


def echo_in_stream(head: bytes) -> bytes:
    event = {
        "type": "error",
        "code": "x",
        "message": head.decode("latin-1"),
        "error": {"message": head.decode("latin-1")},
    }
    return answer(f"event: error\ndata: {json.dumps(event)}\n\n".encode())


def echo_in_headers(head: bytes) -> bytes:
    lines = [line.decode("latin-1") for line in head.split(b"\r\n")[1:] if line]
    return answer(stream("hello"), *(f"x-echo-{number}: {line}" for number, line in enumerate(lines)), *lines[1:3])


def echo_in_reason(head: bytes) -> bytes:
    flat = head.replace(b"\r\n", b" ").decode("latin-1")
    return answer(stream("hello"), status=f"200 {flat}")


ECHOES: list[Reply] = [echo_error, echo_text, echo_in_forms, echo_in_stream, echo_in_headers, echo_in_reason]


async def test_what_the_backend_repeats_of_a_request_is_told_to_nobody(
    odd: Proxy, backend: Backend, login_file: Path, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    tokens = json.loads(login_file.read_text())["tokens"]
    cookie = "CookieOfThisTest0123"
    backend.reply = lambda head: answer(stream("hello"), f"set-cookie: __cf_bm={cookie}; path=/")
    told = ""
    async with new_client(odd) as client:
        await client.post("/v1/responses", json=QUESTION)
        for backend.reply in ECHOES:
            for streams in (True, False):
                got = await ask(client, "/v1/responses", {**QUESTION, "stream": streams})
                told += got.text + str(got.headers) + got.reason
        page = (await client.get("/")).text
    assert cookie.encode() in backend.heads[1] and tokens["account_id"].encode() in backend.heads[1]
    await odd.stop()
    places = {
        "client": told, "page": page, "log": odd.log,
        "flows": (tmp_path / "saved.flows").read_bytes().decode("latin-1"),
        "captures": "".join(path.read_text() for path in (tmp_path / "captured").glob("*.*")),
    }  # fmt: skip
    for secret in (cookie, tokens["account_id"], tokens["access_token"], tokens["access_token"].split(".")[2]):
        inner = base64.b64encode(b"\0" + secret.encode()).decode()[2:-4]
        for place, text in places.items():
            with subtests.test(place):
                assert secret not in text and inner not in text


async def test_a_proxys_refusal_that_repeats_its_password_is_told_without_it(
    start: Start, standin: Standin, login_file: Path
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        said = next((line for line in head.split(b"\r\n") if b"uthorization" in line), b"")
        decoded = base64.b64decode(said.rpartition(b" ")[2])
        writer.write(b"HTTP/1.1 407 You said " + said + b" which is " + decoded + b"\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        address = f"http://somebody:hunter2-of-us@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        proxy = await start(
            codex_upstream="https://chatgpt.com/backend-api/codex", codex_issuer=standin.issuer, codex_auth_file=login_file,
            env={"HTTPS_PROXY": address},
        )  # fmt: skip
        async with new_client(proxy) as client:
            got = await client.post("/v1/responses", json=QUESTION)
    await proxy.stop()
    coded = base64.b64encode(b"somebody:hunter2-of-us").decode()
    assert got.status_code == 502 and "You said" in got.text
    for text in (got.text, proxy.log):
        assert "hunter2-of-us" not in text and coded not in text


# What the login and the issuer say.


def damaged(login: dict[str, Any], where: str, value: str) -> dict[str, Any]:
    return {**login, "tokens": {**login["tokens"], where: value}}


async def test_a_login_that_no_header_can_carry_or_no_reader_takes_is_told(
    start: Start, standin: Standin, backend: Backend, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    good = standin.login()
    contents = [
        json.dumps(damaged(good, where, value)).encode()
        for value in ("a\r\nX-Injected: 1", "a\0b", "acc\u20131", "\ud800")
        for where in ("access_token", "account_id", "refresh_token")
    ]
    contents += [b"[" * 100_000, b'{"tokens": ' + b"[" * 500 + b"]" * 500 + b"}", b"\xff\xfe"]
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.json").write_bytes(content)
    proxy = await start(codex_upstream=backend.url, codex_issuer=standin.issuer, codex_auth_file=tmp_path / "auth.json")
    async with new_client(proxy) as client:
        for number, content in enumerate(contents):
            with subtests.test(str(content[:200])):
                (tmp_path / f"{number}.json").rename(tmp_path / "auth.json")
                health = await client.get("/healthz")  # which looks at the file at once
                assert (health.status_code, health.json()["login"]["state"]) == (503, "login_unreadable")
                got = await client.post("/v1/responses", json=QUESTION)
                assert (got.status_code, got.json()["error"]["code"]) == (401, "login_unreadable")
    assert backend.heads == []


class Issuer:
    """Answers each request for a token with `document`."""

    def __init__(self) -> None:
        self.document, self.asked, self.url = b"", 0, ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await request_head(reader)
            self.asked += 1
            writer.write(answer(self.document, "connection: close", kind="application/json"))
            await writer.drain()
        writer.close()


async def test_an_issuer_that_says_nothing_sensible_is_asked_once_and_the_login_kept(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", standin.login(expires_in=-1))
    before, issuer = path.read_bytes(), Issuer()
    issuer.document = b'{"error": {"code": "\\ud800", "message": ' + b"[" * 100_000
    async with await asyncio.start_server(issuer.serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        proxy = await start(codex_upstream=standin.upstream, codex_issuer=url, codex_auth_file=path)
        async with new_client(proxy) as client:
            for _ in range(3):
                got = await client.post("/v1/responses", json=QUESTION)
                assert (got.status_code, got.json()["error"]["code"]) == (503, "issuer_unavailable")
    assert issuer.asked == 1 and path.read_bytes() == before
