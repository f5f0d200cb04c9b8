import contextlib
import errno
import http.server
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from codex_proxy.net import port_holder
from free_port import free_port


class Answering(http.server.BaseHTTPRequestHandler):
    status, page = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("content-length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


PAGES = [
    (200, {"status": "ok", "login": {"state": "ok"}}, True),
    (503, {"status": "no usable login", "login": {"state": "login_missing", "error": "…"}}, True),
    (200, {"status": "ok"}, False), (200, {"status": "ok", "login": "yes"}, False), (200, ["ok"], False), (200, None, False),
    (404, "nothing here", False),
]  # fmt: skip


@pytest.mark.parametrize(("status", "page", "is_ours"), PAGES)
def test_a_proxy_of_ours_is_known_by_its_health(
    status: int, page: object, is_ours: bool, server: http.server.HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answering, "status", status)
    monkeypatch.setattr(Answering, "page", json.dumps(page).encode())
    for host in ("127.0.0.1", ""):
        assert port_holder.is_codex_proxy(host, server.server_port) is is_ours


def test_what_does_not_speak_http_is_none_of_ours_and_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        def garble() -> None:
            connection, _ = taken.accept()
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")
            connection.close()

        threading.Thread(target=garble).start()
        told = port_holder.explain("127.0.0.1", port, OSError(errno.EADDRINUSE, "in use"))
    assert told and told.startswith(f"Port {port} is taken, by ")
    if sys.platform == "linux":
        assert f"(process {os.getpid()})." in told
    free = int(told.partition("--port ")[2].split()[0])
    assert free > port and told.endswith(f"@127.0.0.1:{free}).")


def test_a_program_whose_answer_never_ends_is_waited_for_no_longer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = threading.Event()
        beats: list[None] = []

        def drip() -> None:
            connection, _ = taken.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not told.wait(port_holder.PATIENCE / 8) and len(beats) < 40:
                    connection.sendall(b"x: y\r\n")
                    beats.append(None)

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert not port_holder.is_codex_proxy("127.0.0.1", taken.getsockname()[1])
        told.set()
        dripping.join()
        assert len(beats) < 40


@pytest.mark.parametrize(
    ("host", "e", "says"),
    [
        ("203.0.113.9", OSError(None, "could not bind on any address"), "203.0.113.9 is not an address of this machine"),
        ("203.0.113.9", OSError(errno.EADDRNOTAVAIL, "…"), "203.0.113.9 is not an address of this machine"),
        ("127.0.0.1", OSError(errno.EACCES, "…"), "This user may not listen at 127.0.0.1:"),
        ("127.0.0.1", OSError(errno.EMFILE, "…"), None),
    ],
)  # fmt: skip
def test_what_else_keeps_it_from_listening_is_a_sentence(host: str, e: OSError, says: str | None) -> None:
    told = port_holder.explain(host, free_port(), e)
    assert told is None if says is None else told and told.startswith(says)
