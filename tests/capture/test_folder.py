import base64
import json
import os
import random
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from codex_proxy.capture import folder as capture_folder
from codex_proxy.capture.folder import Document
from codex_proxy.output.redact import HIDDEN

from ..places import ADDON

IMAGE = base64.b64encode(random.Random(1).randbytes(300_000)).decode()
HEAD: Document = {"request_line": "POST /v1/responses HTTP/1.1", "headers": [["Host", "x"], ["A", "b"]]}


def kept(folder: Path, body: bytes) -> Document:
    """A body as it comes back from the file."""
    document: Document = {**HEAD}
    parts = capture_folder.put_body(document, body)
    capture_folder.Folder(folder).add(document, parts)
    return capture_folder.read(folder)[-1]


JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjE5MzQ0ZTY1In0.eyJhdWQiOlsiaHR0cHM6Ly9hcGkub3BlbmFpLmNvbSJdfQ.sig-nature_x"
LONG_JWT = f"eyJhbGciOiJSUzI1NiJ9.eyJ{'aB3_' * 400}.{'x-Y9' * 200}"
SECRETS = [
    "sk-proj-abcdefghijklmnop",
    JWT,
    LONG_JWT,
    f"Bearer {'Ab3/' * 300}",
    "Authorization: Bearer abcdefgh12345678",
    "rt_abcdefghijklmnop123",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "before {} after", "x" * 70_000 + " {} " + "y " * 70_000])
def test_no_secret_of_a_body_is_in_any_file(secret: str, around: str, tmp_path: Path) -> None:
    body = {"input": around.format(secret), "deep": [{"a": {"b": around.format(secret)}}]}
    document = kept(tmp_path, json.dumps(body).encode())

    token = secret.split()[-1]
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    for part in [token, *(piece for piece in token.split(".") if len(piece) > 20)]:
        assert part not in written
    assert HIDDEN in document["body"]["deep"][0]["a"]["b"]


def test_no_secret_of_a_text_that_is_no_json(tmp_path: Path) -> None:
    document = kept(tmp_path, b'{"broken": "sk-proj-abcdefghijklmnop", ')

    assert document["text"] == '{"broken": "[hidden by the proxy]", '
    assert "body" not in document


def test_long_base64_is_shortened_and_nothing_is_lost(tmp_path: Path) -> None:
    url = f"data:image/png;base64,{IMAGE}"
    body = {"input": [{"image_url": url}, {"image_url": url}, {"text": f"see {IMAGE[:600]}, and so on"}], "n": 1.0}
    document = kept(tmp_path, json.dumps(body).encode())

    assert document["body"]["input"][0]["image_url"].startswith(
        "data:image/png;base64,[base64: 400,000 characters, sha256 "
    )
    assert document["body"]["input"][2]["text"].endswith("], and so on")
    assert (tmp_path / "0001.json").stat().st_size < 2000
    assert len(list((tmp_path / "parts").iterdir())) == 2
    assert json.loads(capture_folder.restored(document, tmp_path)) == body


@pytest.mark.parametrize("size", [511, 512, 65_535, 65_536, 65_537, 66_048, 131_072, 200_001])
@pytest.mark.parametrize("before", [0, 1, 65_100, 65_536])
def test_base64_is_found_whole_wherever_it_lies(size: int, before: int) -> None:
    text = " ." * (before // 2) + " " + IMAGE[:size] + " end"
    start = len(text) - len(" end") - size

    assert list(capture_folder.base64_runs(text)) == ([(start, start + size)] if size >= capture_folder.LONG else [])


BODIES = [
    '{"a": 1.50, "b": 12345678901234567890123, "c": "ä🌦\\u0000", "d": null}',
    '{"half": "\\ud83c"}',
    '["a", 1]',
    '"text"',
    "0",
]


@pytest.mark.parametrize("body", BODIES)
def test_a_json_body_comes_back(body: str, tmp_path: Path) -> None:
    assert json.loads(capture_folder.restored(kept(tmp_path, body.encode()), tmp_path)) == json.loads(body)


NO_JSON = [
    (b"hello", "hello"),
    (b"\xff\xfe{", "\\xff\\xfe{"),
    (b'{"a": NaN}', '{"a": NaN}'),
    (b"[" * 100_000, "[" * 100_000),
]


@pytest.mark.parametrize(("body", "text"), NO_JSON, ids=["text", "not utf-8", "nan", "deep"])
def test_what_is_no_json_is_kept_as_text(body: bytes, text: str, tmp_path: Path) -> None:
    assert kept(tmp_path, body)["text"] == text


def test_the_file_is_readable(tmp_path: Path) -> None:
    kept(tmp_path, '{"ä": [1]}'.encode())

    assert (tmp_path / "0001.json").read_text() == (
        '{\n  "number": 1,\n  "request_line": "POST /v1/responses HTTP/1.1",\n'
        '  "headers": [\n    ["Host", "x"],\n    ["A", "b"]\n  ],\n'
        '  "body": {\n    "ä": [\n      1\n    ]\n  }\n}\n'
    )


def test_numbers_go_on_where_others_stopped(tmp_path: Path) -> None:
    for name in ("0001.json", "0007.json", "notes.json", "0009.json.bak", "report.md"):
        (tmp_path / name).write_text("{}")
    folder = capture_folder.Folder(tmp_path)

    assert [folder.add(HEAD, {}).name for _ in range(3)] == ["0008.json", "0009.json", "0010.json"]


def test_two_writers_share_a_folder_without_gaps(tmp_path: Path) -> None:
    folders = [capture_folder.Folder(tmp_path) for _ in range(4)]
    threads = [threading.Thread(target=lambda f=f: [f.add(HEAD, {}) for _ in range(25)]) for f in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [document["number"] for document in capture_folder.read(tmp_path)] == list(range(1, 101))
    assert [path for path in tmp_path.iterdir() if path.suffix != ".json"] == []


def test_nobody_else_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from codex_proxy.capture import folder as c\n"
        "os.umask(0); d = {'request_line': '', 'headers': []}; p = c.put_body(d, sys.argv[2].encode())\n"
        "f = c.Folder(Path(sys.argv[1])); c.tell(f.add(d, p), {'status': 400})"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "a" / "b", f'"{IMAGE[:2000]}"'], check=True, cwd=ADDON)
    modes = {p.relative_to(tmp_path).as_posix(): stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")}
    folders = {name for name in modes if (tmp_path / name).is_dir()}

    assert folders == {"a", "a/b", "a/b/parts"}
    assert {modes[name] for name in folders} == {0o700}
    assert {mode for name, mode in modes.items() if name not in folders} == {0o600}
    assert len(modes) == 5


def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from codex_proxy.capture import folder as c\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); f = c.Folder(Path(sys.argv[1]))\n"
        "small = {'request_line': '', 'headers': []}; f.add(small, {})\n"
        "try: f.add({**small, 'text': 'x y ' * 9999}, {})\n"
        "except OSError: pass\n"
        "else: sys.exit(5)\n"
        "f.add(small, {})"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, cwd=ADDON)

    assert sorted(os.listdir(tmp_path)) == ["0001.json", "0002.json"]


def test_how_it_was_answered_is_added(tmp_path: Path) -> None:
    path = capture_folder.Folder(tmp_path).add({**HEAD, "body": {"a": 1}}, {})
    capture_folder.tell(path, {"status": 400})

    (document,) = capture_folder.read(tmp_path)
    assert list(document) == ["number", "request_line", "headers", "answer", "body"]
    assert document["answer"] == {"status": 400}


def test_what_is_no_capture_is_left_out(tmp_path: Path) -> None:
    for name, text in {"0001.json": "{", "0002.json": "[]", "0003.json": '{"request_line": "GET / HTTP/1.1"}'}.items():
        (tmp_path / name).write_text(text)

    assert len(capture_folder.read(tmp_path)) == 1
