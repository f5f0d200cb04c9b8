"""Captured requests as readable JSON files without secrets: create, write, read, and turn one into a request again.

Long base64 goes to files of its own under `parts/`, each content once, so that nothing is lost.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import msgspec

from .. import json_text
from ..files import atomic as atomic_files
from ..files import bounded as bounded_files
from ..output.redact import TOKENS, by_form
from ..printable import in_json


class Sent(TypedDict, total=False):
    """How the body came, sizes in bytes; `note` says why it is not all there."""

    body_bytes: int
    coded_bytes: int
    content_encoding: str
    note: str


class ProxySettings(TypedDict):
    """With which options the proxy ran."""

    version: str
    dry_run: bool
    patch: str
    model_map: list[str]
    model_default: NotRequired[str]
    model_aliases: NotRequired[bool]


class Answered(TypedDict, total=False):
    """How the request was answered, by the backend or by the proxy."""

    status: int | None
    by: str
    code: str
    message: str


class Document(TypedDict, total=False):
    """A captured request. A file that is read may hold anything under these names."""

    number: int
    time: str
    request_line: str
    headers: list[list[str]]
    sent: Sent
    proxy: ProxySettings
    answer: Answered
    body: Any
    text: str


NAME = re.compile(r"(\d{4,9})\.json")
PARTS = "parts"

# The order in the file: what is long comes last.
KEYS = ("number", "time", "request_line", "headers", "sent", "proxy", "answer", "body", "text")

# Base64 that is longer than this does not stand in the file, in characters.
LONG = 512
BASE64 = re.compile(rf"[\w+/-]{{{LONG},}}={{0,2}}", re.ASCII)
MORE_BASE64 = re.compile(r"[\w+/-]+={0,2}", re.ASCII)
PLACEHOLDER = re.compile(r"\[base64: [\d,]+ characters, sha256 ([0-9a-f]{12})\]")

# Looked at in one go, in characters: longer, and a search would keep the other threads waiting.
STRETCH = 1 << 16
# Where a text may be cut for that: not between "Bearer" and its token.
SEAM = re.compile(r"(?<!bearer)(?<!basic)\s", re.I)


class Shortener:
    """Values without secrets and long base64; `parts` holds what was cut out, by the hash in its place."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self(one) for one in value]
            case dict():
                return {by_form(key): self(one) for key, one in value.items()}
        return value

    def text(self, text: str) -> str:
        if len(text) < LONG:
            return by_form(text)
        shown, done = [], 0
        for start, end in base64_runs(text):
            run = text[start:end]
            if TOKENS.match(text, start) or text[start - 1 : start] == ".":
                continue  # a key or a part of a token, which look like it
            name = hashlib.sha256(run.encode()).hexdigest()[:12]
            self.parts[name] = run
            shown += [*map(by_form, stretches(text[done:start])), f"[base64: {len(run):,} characters, sha256 {name}]"]
            done = end
        return "".join([*shown, *map(by_form, stretches(text[done:]))])


def base64_runs(text: str) -> Iterator[tuple[int, int]]:
    """Where long base64 begins and ends."""
    start = 0
    while start < len(text):
        limit = start + STRETCH
        if (found := BASE64.search(text, start, limit)) is None:
            if limit >= len(text):
                return
            start = limit - LONG
            continue
        end = found.end()
        while end == limit and (more := MORE_BASE64.match(text, end, end + STRETCH)):
            end, limit = more.end(), end + STRETCH
        yield found.start(), end
        start = end


def stretches(text: str) -> Iterator[str]:
    """The text in pieces that no token is cut in."""
    start = 0
    while start < len(text):
        seam = SEAM.search(text, start + STRETCH) if start + STRETCH < len(text) else None
        end = seam.end() if seam else len(text)
        yield text[start:end]
        start = end


def put_body(document: Document, body: bytes) -> dict[str, str]:
    """Put a decoded body into a document: as JSON under `body`, or as `text` if it is not JSON. Returns what was cut out."""
    shortener = Shortener()
    try:
        document["body"] = shortener(json.loads(body.decode(), parse_constant=_no_constant))
    except (ValueError, RecursionError, MemoryError):
        shortener = Shortener()
        document["text"] = shortener.text(body.decode("utf-8", "backslashreplace"))
    return shortener.parts


# No capture is larger: parts stand beside it, and a body has a limit; in bytes.
LARGEST = 256 << 20


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def restored(document: Document, folder: Path) -> bytes:
    """The body to send once more, with what was cut out restored. Secrets stay replaced."""

    def part(found: re.Match[str]) -> str:
        try:
            return (folder / PARTS / found[1]).read_text()
        except FileNotFoundError:
            return found[0]

    # No base64 has a character in it that JSON would write in another way.
    text = encoded(document["body"]).decode() if "body" in document else str(document.get("text", ""))
    return PLACEHOLDER.sub(part, text).encode()


def encoded(value: Any) -> bytes:
    """In the letters it has; what a terminal would follow stands as JSON's escapes, and half a character too."""
    text = json.dumps(value, ensure_ascii=False)
    return text.encode() if text.isascii() else "".join(map(in_json, stretches_of_characters(text))).encode()


def stretches_of_characters(text: str) -> Iterator[str]:
    return (text[start : start + STRETCH] for start in range(0, len(text), STRETCH))


def indented(value: Any) -> bytes:
    try:
        return msgspec.json.format(encoded(value), indent=2)
    except msgspec.MsgspecError:  # a lone surrogate, or a number that it cannot represent
        return json.dumps(value, indent=2).encode()


def rendered(document: Document) -> bytes:
    """The file's text: a header a line, everything else indented."""
    lines = []
    for key, value in sorted(document.items(), key=lambda row: KEYS.index(row[0]) if row[0] in KEYS else -1):
        if key == "headers":
            rows = b",\n".join(b"    " + encoded(pair) for pair in document["headers"])
            shown = b"[\n" + rows + b"\n  ]"
        else:
            shown = indented(value).replace(b"\n", b"\n  ")
        lines.append(b"  " + encoded(key) + b": " + shown)
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


class Folder:
    """Numbers the captures in a folder; for one thread at a time. Several processes may share the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: int | None = None

    def add(self, document: Document, parts: dict[str, str]) -> Path:
        """Write a document under the next number. Raises OSError."""
        atomic_files.make_folder(self.path)
        for name, text in parts.items():
            self._keep_part(self.path / PARTS / name, text)
        number = (self._highest() if self._last is None else self._last) + 1
        while True:
            path = self.path / f"{number:04}.json"
            with atomic_files.temporary(self.path, rendered({"number": number, **document})) as written:
                try:
                    atomic_files.move_to_new(written, path)
                except FileExistsError:
                    number += 1
                    continue
            self._last = number
            return path

    def _highest(self) -> int:
        return max((int(found[1]) for name in os.listdir(self.path) if (found := NAME.fullmatch(name))), default=0)

    def _keep_part(self, path: Path, text: str) -> None:
        if not path.exists():
            atomic_files.make_folder(path.parent)
            atomic_files.replace(path, text.encode())


def tell(path: Path, answer: Answered) -> None:
    """Add to a capture how it was answered. Raises OSError."""
    document = cast(Document, json.loads(bounded_files.read(path, LARGEST)))
    document["answer"] = answer
    atomic_files.replace(path, rendered(document))


def read(folder: Path) -> list[Document]:
    """All captures in a folder, by their numbers; other files are skipped."""
    found = []
    for path in sorted(folder.iterdir(), key=lambda each: (len(each.name), each.name)):
        if NAME.fullmatch(path.name):
            with contextlib.suppress(OSError, json_text.NotJson):
                document = json_text.decode(bounded_files.read(path, LARGEST), deepest=1000)
                if isinstance(document, dict) and "request_line" in document:
                    found.append(cast(Document, document))
    return found
