"""Read mitmproxy's flow files, a sequence of tnetstrings, past damaged parts.

The last flow is cut if the writer was killed or the disk was full, and one in the middle if the file was then appended to: its
length leads into the flows behind it (mitmproxy/io/tnetstring.py).
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Read at once, in bytes.
CHUNK = 1 << 20

# Without zeros in front.
LENGTH = re.compile(rb"(0|[1-9]\d{0,11}):")

# How a flow begins: its length, and the key of its first field.
BEGIN = re.compile(rb"[1-9]\d{0,11}:\d{1,2}:[a-z_]{2,30}[;,]")
LONGEST_BEGIN = 50

# What every flow has, of whatever kind and version.
KEYS = {b"type", b"version"}

# How a file of flows begins, a HAR file included (io.py).
HEAD = re.compile(rb"\d{1,12}:|(\xef\xbb\xbf)?\s*\{")


class Cut(NamedTuple):
    """Bytes that are not a complete flow."""

    start: int
    size: int


class Window:
    """What is looked at of a file that may be a pipe."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.data = bytearray()
        self.place = 0
        """In `data`."""
        self.dropped = 0

    @property
    def start(self) -> int:
        return self.dropped + self.place

    def has(self, size: int) -> bool:
        """Whether this many more bytes exist; reads them."""
        while len(self.data) - self.place < size:
            more = self.file.read1(max(CHUNK, size))
            if not more:
                return False
            if self.place > CHUNK:
                self.dropped += self.place
                del self.data[: self.place]
                self.place = 0
            self.data += more
        return True

    def flow_size(self) -> int:
        """The size of the flow that stands here whole, in bytes; 0 if none does."""
        self.has(LONGEST_BEGIN)
        found = LENGTH.match(self.data, self.place)
        if not found:
            return 0
        # Read off before more is read into what it was found in.
        before, length = found.end() - self.place, int(found[1])
        if not self.has(before + length + 1):
            return 0
        inside = memoryview(self.data)[self.place + before : self.place + before + length + 1]
        return before + length + 1 if is_flow(bytes(inside)) else 0

    def take(self, size: int) -> bytes:
        self.place += size
        return bytes(self.data[self.place - size : self.place])

    def seek_begin(self) -> None:
        """On to the next place where a flow could begin, or to the end."""
        self.place += 1
        while not (found := BEGIN.search(self.data, self.place)):
            self.place = max(self.place, len(self.data) - LONGEST_BEGIN)
            if not self.has(len(self.data) - self.place + 1):
                self.place = len(self.data)
                return
        self.place = found.start()


def pieces(file: Any) -> Iterator[bytes | Cut]:
    """The whole flows of a file that is read in binary, each as its tnetstring, and what is between them."""
    window, cut_from = Window(file), -1
    while window.has(1):
        if size := window.flow_size():
            if cut_from >= 0:
                yield Cut(cut_from, window.start - cut_from)
                cut_from = -1
            yield window.take(size)
            continue
        if cut_from < 0:
            cut_from = window.start
        window.seek_begin()
    if cut_from >= 0:
        yield Cut(cut_from, window.start - cut_from)


def is_flow(data: bytes) -> bool:
    """Is this the inside of a tnetstring, its type behind it, that is a dictionary with what every flow has?"""
    if not data.endswith(b"}"):
        return False
    place, end, keys, is_key = 0, len(data) - 1, set(), True
    while place < end:
        found = LENGTH.match(data, place, end)
        if not found:
            return False
        begin, place = found.end(), found.end() + int(found[1]) + 1
        if place > end:
            return False
        if is_key:
            keys.add(data[begin : place - 1] if place - begin < LONGEST_BEGIN else b"")
        is_key = not is_key
    return is_key and keys >= KEYS


def summary(name: str, whole: int, cuts: list[Cut], unread: list[str]) -> str | None:
    """What is said of a file that was not whole; None of one that was. `unread`: why flows that are whole were not read."""
    parts = []
    if cuts:
        size = sum(cut.size for cut in cuts)
        places = (
            f"at byte {cuts[0].start}"
            if len(cuts) == 1
            else f"in {len(cuts)} places, the first at byte {cuts[0].start}"
        )
        parts.append(
            f"{size} bytes {places} are not whole flows and were skipped: the program that wrote them was stopped, or the disk was full"
        )
    if unread:
        parts.append(f"{len(unread)} more can't be read: {unread[0]}")
    return f"{name}: {whole} flow{'' if whole == 1 else 's'} read. {'; '.join(parts)}." if parts else None


def unreadable_reason(path: str) -> str | None:
    """Why a file can't be one of flows; None if it may be one."""
    place = Path(os.path.expanduser(path))
    try:
        mode = place.stat().st_mode
        if stat.S_ISDIR(mode):
            return "is a folder"
        if stat.S_ISFIFO(mode):
            return None  # what is looked at would be gone
        if not stat.S_ISREG(mode):
            return "is not a file"
        with place.open("rb") as file:
            head = file.read(LONGEST_BEGIN)
    except FileNotFoundError:
        return "there is no such file"
    except OSError as e:
        return f"can't be read: {e.strerror}"
    if head.startswith(b"\x1f\x8b"):
        return "is compressed; unpack it first (gunzip)"
    return None if not head or HEAD.match(head) else "is not a file of flows, as -w writes it"
