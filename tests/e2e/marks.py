"""Secrets that are known again: made at run time with a mark in each, sent and given, searched for in whatever form."""

import asyncio
import base64
import binascii
import json
import re
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import brotli  # type: ignore[import-untyped]
import httpx2
import zstandard

from standin import Standin

from .harness import PATIENCE, QUESTION, ask, write_login

# As deep as encodings are looked through: base64 in JSON in base64 is three.
DEPTH = 3

# How one encoding is taken off, wherever in the data it stands. Bytes without it stay, or go.
type Step = Callable[[bytes], bytes]


class Marks:
    """Every secret of one run, by name; `found` names those that are in some data."""

    def __init__(self) -> None:
        self.stem = f"mark{secrets.token_hex(6)}"
        self.texts: dict[str, str] = {}
        # Much is looked at again and again: what has none of so many secrets in it.
        self._clean: set[tuple[int, int]] = set()

    def new(self, name: str) -> str:
        """A secret with the mark in it; letters and digits, as they stand in any header, address or claim."""
        return self.also(name, f"{self.stem}{len(self.texts):02}")

    def also(self, name: str, text: str) -> str:
        """A secret that was made elsewhere."""
        self.texts[name] = text
        return text

    def found(self, data: bytes | str, *only: str) -> list[str]:
        data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        wanted = {name: text.lower().encode() for name, text in self.texts.items() if not only or name in only}
        if (known := (hash(data), len(self.texts))) in self._clean:
            return []
        hit: set[str] = set()
        for reading in readings(data):
            lower = reading.lower()
            hit |= {name for name, text in wanted.items() if text in lower}
        if not hit and not only:
            self._clean.add(known)
        return sorted(hit)


def readings(data: bytes) -> Iterator[bytes]:
    """The data as it is, and with every encoding taken off, in every order."""
    seen, layer = {data}, [data]
    yield data
    for _ in range(DEPTH):
        new = [read for one in layer for step in STEPS if (read := step(one))]
        layer = [one for one in dict.fromkeys(new) if one not in seen]
        seen |= set(layer)
        yield from layer


def percent(data: bytes) -> bytes:
    while data != (less := re.sub(rb"%([\da-fA-F]{2})", lambda found: bytes([int(found[1], 16)]), data)):
        data = less
    return data


def escapes(data: bytes) -> bytes:
    """JSON's and Python's: `\\u0041`, `\\x41`, `\\n`, `\\/`."""
    kinds = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}

    def plain(found: re.Match[bytes]) -> bytes:
        number, letter = found[1] or found[2], found[3]
        return chr(int(number, 16)).encode("utf-8", "replace") if number else kinds.get(letter, letter)

    return re.sub(rb"\\(?:u([\da-fA-F]{4})|x([\da-fA-F]{2})|(.))", plain, data)


def from_base64(data: bytes) -> bytes:
    """What is in its runs, at each of the four places where a run may really begin, in both alphabets."""
    runs = re.findall(rb"[\w+/-]{20,}", data, re.ASCII)
    # Filled up with letters, all of them are decoded in one go.
    filled = (run[start:] + b"AAA"[: (start - len(run)) % 4] for start in range(4) for run in runs)
    return base64.b64decode(b"".join(filled).replace(b"-", b"+").replace(b"_", b"/"))


def from_hex(data: bytes) -> bytes:
    """Runs of digits, and the lines of a hex dump, which hold sixteen bytes each."""
    dumped = re.findall(rb"(?m)^\s*[\da-f]{8,10}:?\s+((?:[\da-f]{2}\s+){1,16})", data)
    runs = [b"".join(dumped).translate(None, b" \t\r\n"), *re.findall(rb"[\da-fA-F]{24,}", data)]
    return b"\n".join(
        binascii.unhexlify(part[: len(part) // 2 * 2]) for run in runs for part in (run, run[1:]) if len(part) > 1
    )


UNPACKERS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b\x08", lambda data: zlib.decompressobj(wbits=31).decompress(data)),
    (b"\x28\xb5\x2f\xfd", lambda data: bytes(zstandard.ZstdDecompressor().decompressobj().decompress(data))),
)


def unpacked(data: bytes) -> bytes:
    """What is in gzip and zstd, which tell of themselves wherever they begin; brotli only where it is all there is."""
    parts = []
    for magic, unpack in UNPACKERS:
        for found in re.finditer(re.escape(magic), data):
            try:
                parts.append(unpack(data[found.start() :]))
            except (zlib.error, zstandard.ZstdError):
                continue
    try:
        parts.append(brotli.decompress(data))
    except brotli.error:
        pass
    return b"\n".join(parts)


def on_one_line(data: bytes) -> bytes:
    """Without white space and a terminal's control sequences: what was wrapped stands together again."""
    return re.sub(rb"\x1b\[[\d;?]*[A-Za-z]|\x1b[()].|\s+|\x00", b"", data)


STEPS: tuple[Step, ...] = (percent, escapes, from_base64, from_hex, unpacked, on_one_line)


LOGIN = ("account id", "e-mail")


class Cast:
    """The marked secrets of one test, and who holds them."""

    def __init__(self, standin: Standin, folder: Path) -> None:
        self.standin, self.folder, self.marks = standin, folder, Marks()
        new = self.marks.new
        self.key = new("client key")
        (folder / "client.key").write_text(self.key)
        login = standin.login(email=f"{new('e-mail')}@example.org", account_id=f"acc-{new('account id')}")
        self.login_file = write_login(folder / "auth.json", login)
        cookies = [(name, new(f"set-cookie {name}")) for name in ("__cf_bm", "_cfuvid", "__oailb")]
        # Not `Secure`, so that they are sent back over the stand-in's plain HTTP.
        self.cookies = [("set-cookie", f"{name}={value}; Path=/; Max-Age=1800; HttpOnly") for name, value in cookies]
        basic = base64.b64encode(f"me:{new('proxy-authorization')}".encode()).decode()
        self.query = f"?key={new('?key')}&api_key={new('?api_key')}&%61ccess-token={quote(new('?access-token'))}"
        self.headers = {
            "authorization": f"Bearer {self.key}",
            "proxy-authorization": f"Basic {basic}",
            "cookie": f"session={new('cookie')}; __cf_bm={new('cookie of Cloudflare')}",
            "chatgpt-account-id": new("account id of the client"),
            **{name: new(name) for name in ("x-api-key", "api-key", "x-goog-api-key")},
        }
        self.basic = f"Basic {base64.b64encode(f'me:{new("basic")}'.encode()).decode()}"
        self.ours = {name: login["tokens"][name] for name in ("access_token", "refresh_token", "id_token")}

    @property
    def options(self) -> dict[str, Any]:
        return {
            "codex_upstream": self.standin.upstream,
            "codex_issuer": self.standin.issuer,
            "codex_auth_file": self.login_file,
        }

    def client(self, url: str) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False, headers=self.headers)

    def login_secrets(self) -> tuple[str, ...]:
        """Every token there ever was, the ones a renewal brought as well; the claims are marked."""
        tokens = self.standin.tokens
        for number, token in enumerate(tokens.access):
            self.marks.also(f"access token {number}", token.rpartition(".")[2])
        for number, token in enumerate(tokens.refresh):
            self.marks.also(f"refresh token {number}", token)
        self.marks.also("id token", self.ours["id_token"].rpartition(".")[2])
        return tuple(name for name in self.marks.texts if "token " in name or name in (*LOGIN, "id token"))

    def leaks(self, ways: Mapping[str, bytes | str], *only: str) -> dict[str, list[str]]:
        """Which secrets left by which way."""
        self.login_secrets()
        return {way: found for way, data in ways.items() if (found := self.marks.found(data, *only))}


# Method, path, body, the backend's failure, status.
REQUESTS: tuple[tuple[str, str, Any, str, int], ...] = (
    ("POST", "/v1/responses", QUESTION, "", 200),
    ("POST", "/v1/responses", {**QUESTION, "stream": False, "temperature": 1}, "", 200),
    ("GET", "/v1/models", None, "", 200),
    ("GET", "/v1/models?client_version=0.169.0", None, "", 200),
    ("GET", "/", None, "", 200),
    ("GET", "/healthz", None, "", 200),
    ("POST", "/v1/embeddings", {}, "", 404),
    ("DELETE", "/v1/responses", None, "", 405),
    ("POST", "/v1/responses", ["no object"], "", 400),
    ("POST", "/v1/responses", QUESTION, "json-500", 500),
    ("POST", "/v1/responses", QUESTION, "cloudflare", 403),
    ("POST", "/v1/responses", QUESTION, "unauthorized", 200),
    ("POST", "/v1/responses", QUESTION, "close-before-answer", 200),  # asked once more
    ("POST", "/v1/responses", QUESTION, "garbage", 502),
    ("POST", "/v1/responses", QUESTION, "close-before-answer", 502),
    ("POST", "/v1/responses", QUESTION, "failed", 200),
    ("POST", "/v1/responses", QUESTION, "reset", 200),  # ends the client's connection
)  # fmt: skip


async def ask_all(cast: Cast, url: str) -> dict[str, bytes | str]:
    """Every request of the table, one that is hung up on, callers who may not; what they all got."""
    answers: dict[str, bytes | str] = {}
    async with cast.client(url) as client:
        for method, path, body, failure, status in REQUESTS:
            if failure:
                cast.standin.fail(failure)
            answer = await ask(client, path + cast.query, body, method=method)
            assert answer.status == status, (path, failure, answer.text)
            answers[f"answer to {method} {path} {failure}"] = f"{answer.headers.multi_items()} {answer.text}"
    async with cast.client(url) as client:
        for header, value, status in (
            ("authorization", "Bearer wrong", 401),
            ("authorization", cast.basic, 401),
            ("origin", "https://a.page", 403),
        ):
            refused = await client.post("/v1/responses" + cast.query, json=QUESTION, headers={header: value})
            assert refused.status_code == status
            answers[f"answer to {header}"] = f"{refused.headers} {refused.text}"
        cast.standin.hold()
        async with client.stream("POST", "/v1/responses" + cast.query, json=QUESTION) as response:
            await anext(response.aiter_text())
        await cast.standin.wait_for_client_gone(PATIENCE)
        cast.standin.release()
    answers["answer to the odd one"] = await ask_oddly(cast, url)
    assert_marked(cast)
    return answers


async def ask_oddly(cast: Cast, url: str) -> bytes:
    """What only a hand-made client sends: a whole address, a header twice and in capitals."""
    address, new, body = url.removeprefix("http://"), cast.marks.new, json.dumps(QUESTION)
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(
        f"POST http://{address}/v1/responses?stream=true;key={new('behind a semicolon')} HTTP/1.1\r\n"
        f"Host: {address}\r\nAUTHORIZATION: Bearer {cast.key}\r\nX-API-KEY: {new('in capitals')}\r\nX-Api-Key: {new('once more')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
    )
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    assert b" 200 " in answer.partition(b"\r\n")[0]
    return answer


def assert_marked(cast: Cast) -> None:
    """The secrets were there to be leaked: on the wire, and in what the login server gave."""
    sent = cast.marks.found(
        "\n".join(f"{name}: {value}" for seen in cast.standin.requests for name, value in seen.headers)
    )
    assert {*LOGIN, "set-cookie __cf_bm", "set-cookie _cfuvid"} <= set(sent)
    assert not [name for name in sent if "set-cookie" not in name and name not in cast.login_secrets()]
    assert len(cast.standin.tokens.refresh) > 1
