import os
import socket
from pathlib import Path

import pytest

from codex_proxy import daemon_threads
from codex_proxy.files import bounded as bounded_files


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_regular_file_is_read_whole_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert bounded_files.read(tmp_path / "link", 5) == b"12345"
    assert bounded_files.status(tmp_path / "link").st_size == 5


@pytest.mark.parametrize(
    "path, said",
    [
        ("pipe", "it is a pipe, which can be read only once"),
        (".", "it is a folder"),
        ("/dev/zero", "it is a device"),
        ("/dev/tty", "it is a device"),
        ("socket", "it is a socket"),
        ("large", "it is larger than 1 kB"),
        ("gone", "No such file"),
        ("loop", "Too many levels"),
    ],
)
def test_what_is_no_regular_file_is_refused_in_words_and_at_once(
    path: str, said: str, tmp_path: Path, pipe: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(tmp_path / "socket"))
    (tmp_path / "large").write_bytes(b"x" * 1025)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=said) as e:
        bounded_files.read(tmp_path / path, 1024)
    assert said in (e.value.strerror or "")


def test_a_shells_substitution_is_a_pipe_as_well() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match="name a regular file"):
            bounded_files.read(Path(f"/dev/fd/{reading}"))
    finally:
        os.close(reading)
        os.close(writing)


def test_for_a_person_a_pipe_is_read_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"12345")
    os.close(writing)
    assert bounded_files.read_once(Path(f"/dev/fd/{reading}"), 5) == b"12345"
    os.close(reading)
    assert bounded_files.read_once(Path(__file__), 1 << 20).startswith(b"import os")
    with pytest.raises(OSError, match="it is a device"):
        bounded_files.read_once(Path("/dev/zero"), 1 << 20)


def test_a_file_that_turns_into_a_pipe_behind_the_look_does_not_block(
    pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it had been a file when it was looked at.
    monkeypatch.setattr(Path, "stat", lambda self: os.stat(__file__))
    with pytest.raises(OSError, match="it is a pipe"):
        bounded_files.read(pipe)


def test_a_disk_that_does_not_answer_is_told_as_such(pipe: Path) -> None:
    writer = os.open(pipe, os.O_RDWR)
    try:
        with pytest.raises(OSError, match=r"has not answered within 0.05 s"):
            daemon_threads.call(str(pipe), lambda: pipe.read_bytes(), 0.05)
        with pytest.raises(OSError, match="has not answered"):
            bounded_files.read(pipe)
    finally:
        os.write(writer, b"x")
        os.close(writer)
