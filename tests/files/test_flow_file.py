import io
import os
import random
from pathlib import Path

import pytest
from mitmproxy.flow import Flow
from mitmproxy.io import FlowWriter, tnetstring
from mitmproxy.test import tflow

from codex_proxy.files import flow_file
from codex_proxy.files.flow_file import Cut


def written(flow: Flow) -> bytes:
    file = io.BytesIO()
    FlowWriter(file).add(flow)
    return file.getvalue()


FLOWS = [written(tflow.tflow(resp=True)), written(tflow.ttcpflow()), written(tflow.twebsocketflow())]
ALL = b"".join(FLOWS)


class Pipe(io.BytesIO):
    """Gives a little at a time."""

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read(min(700, size or 0))


def whole(data: bytes) -> list[bytes]:
    found = [piece for piece in flow_file.pieces(Pipe(data)) if isinstance(piece, bytes)]
    assert found == [piece for piece in flow_file.pieces(io.BytesIO(data)) if isinstance(piece, bytes)]
    return found


def cuts(data: bytes) -> list[Cut]:
    return [piece for piece in flow_file.pieces(io.BytesIO(data)) if isinstance(piece, Cut)]


def test_a_whole_file_has_no_cut() -> None:
    assert (whole(ALL), cuts(ALL)) == (FLOWS, [])
    assert (whole(b""), cuts(b"")) == ([], [])


def test_wherever_it_is_cut_what_is_whole_is_read() -> None:
    first, both = len(FLOWS[0]), len(FLOWS[0]) + len(FLOWS[1])
    for size in range(0, len(ALL), 7):
        expected = FLOWS[: (size >= first) + (size >= both)]
        assert whole(ALL[:size]) == expected, size
        assert sum(cut.size for cut in cuts(ALL[:size])) == size - sum(map(len, expected))


def test_what_was_appended_behind_a_cut_is_read_too() -> None:
    for size in range(1, len(FLOWS[0]), 3):
        data = FLOWS[1] + FLOWS[0][:size] + FLOWS[2] + FLOWS[1]
        assert whole(data) == [FLOWS[1], FLOWS[2], FLOWS[1]], size
        assert cuts(data) == [Cut(len(FLOWS[1]), size)]


def test_what_is_no_flow_is_left_out() -> None:
    no_flow = tnetstring.dumps({"type": "http", "other": 1})
    nonsense = random.Random(1).randbytes(5000)
    assert whole(FLOWS[0] + no_flow + FLOWS[1] + nonsense + FLOWS[2]) == FLOWS
    assert whole(b"999999999999:" + ALL) == FLOWS
    assert whole(b"12" + ALL) == FLOWS


def test_a_flow_that_is_larger_than_what_is_read_at_once() -> None:
    large = tflow.tflow(resp=True)
    assert large.response
    large.response.content = b"12:4:abcd;" * (flow_file.CHUNK // 4)
    data = written(large)
    assert whole(FLOWS[0] + data + FLOWS[1]) == [FLOWS[0], data, FLOWS[1]]
    assert whole(FLOWS[0] + data[:-9] + FLOWS[1]) == [FLOWS[0], FLOWS[1]]


def test_what_is_said() -> None:
    assert flow_file.summary("f", 2, [], []) is None
    assert flow_file.summary("f", 1, [Cut(7, 5)], []) == (
        "f: 1 flow read. 5 bytes at byte 7 are not whole flows and were skipped: the program that wrote them was stopped, or the disk was full."
    )
    assert flow_file.summary("f", 0, [], ["too new"]) == "f: 0 flows read. 1 more can't be read: too new."


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", None), (ALL, None), (b'{"log": {}}', None), (b"\xef\xbb\xbf{", None), (b"hello", "is not a file of flows, as -w writes it"),
        (b"\x1f\x8b\x08", "is compressed; unpack it first (gunzip)"), (b"\x00" * 9, "is not a file of flows, as -w writes it"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_flows_is_known_by_its_begin(content: bytes, problem: str | None, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert flow_file.unreadable_reason(str(tmp_path / "file")) == problem


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert flow_file.unreadable_reason(str(tmp_path / "none")) == "there is no such file"
    assert flow_file.unreadable_reason(str(tmp_path)) == "is a folder"
    assert flow_file.unreadable_reason("/dev/null") == "is not a file"
    assert flow_file.unreadable_reason(str(tmp_path / "pipe")) is None
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "can't be read: " in str(flow_file.unreadable_reason(str(tmp_path / "loop")))
