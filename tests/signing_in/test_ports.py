import os
import socket
import sys
from pathlib import Path

import pytest

from codex_proxy.signing_in import ports

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc")

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:05AF 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0
   1: 0100007F:05AF 0100007F:C000 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 100 0 0 10 0
   2: 0100007F:05B1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
   3: 00000000000000000000000001000000:05AF 00000000000000000000000000000000:0000 0A 0:0 00:0 0 33 0 14 1 0 100 0 0 10 0
"""


@pytest.mark.parametrize("port, found", [(1455, {"11": 1000, "14": 33}), (1457, {"13": 0}), (1456, {})])
def test_only_sockets_that_listen_on_the_port_count(port: int, found: dict[str, int]) -> None:
    assert ports.listeners(TABLE, port) == found


@pytest.mark.parametrize("text", ["", "sl", "a\nb c\n\n"])
def test_an_odd_table_has_no_sockets(text: str) -> None:
    assert ports.listeners(text, 1455) == {}


@LINUX
@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_a_process_of_ones_own_is_named(family: socket.AddressFamily, address: str) -> None:
    try:
        held = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.xfail(f"no {address} here")
    with held:
        told = await ports.holder(held.getsockname()[1])
    assert told == f"{Path('/proc/self/comm').read_text().strip()} (process {os.getpid()})"


@LINUX
async def test_a_port_that_nobody_holds_has_no_known_holder() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert await ports.holder(probe.getsockname()[1]) == "an unknown process"


@LINUX
@pytest.mark.parametrize("uid, told", [(0, "root"), (4_000_000, "4000000")])
def test_of_a_process_of_another_user_the_user_is_named(uid: int, told: str, tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TABLE.replace("  0        0 13 1", f"  {uid}        0 13 1"))
    assert ports._by_proc(1457, tmp_path) == f"a process of the user {told}"


@pytest.mark.parametrize(
    "output, told",
    [
        ("p4711\nccodex\nf12\n", "codex (process 4711)"),
        ("p4711\ng1\ncGoogle Chrome\n", "Google Chrome (process 4711)"),
        ("", "a process of another user"),
        ("p4711\n", "a process of another user"),
    ],
)
def test_what_lsof_prints_is_read(output: str, told: str) -> None:
    assert ports.told_by_lsof(output) == told


async def test_without_lsof_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "only lsof could name" in await ports._by_lsof(1455)


async def test_lsof_is_asked_for_the_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lsof").write_text('#!/bin/sh\n[ "$2" = -iTCP:1455 ] && printf "p12\\ncother\\n"\n')
    (tmp_path / "lsof").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert await ports._by_lsof(1455) == "other (process 12)"
