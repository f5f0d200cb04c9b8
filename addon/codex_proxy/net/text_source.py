"""Instructions from a file or an https address: reloaded when they change; the last good text stays in use until then."""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from .. import clock, daemon_threads, json_text
from ..files import atomic as atomic_files
from ..files import bounded as bounded_files
from ..message.field_values import is_plain
from ..refreshed import Refreshed
from . import http_client, policy, upstream

logger = logging.getLogger(__name__)

# Largest text taken, in bytes.
LARGEST = policy.TEXT.largest

# How long a text from an address is good, how long after a failure it is not asked for again, and how long a first request
# waits for it; seconds.
LIFE, REST, PATIENCE = 3600.0, 60.0, 5.0


def source(where: str, folder: Path, user_agent: str) -> "FileText | WebText":
    """`where` is a file or an address; `folder` keeps what came from an address. Blocks on the disk. Raises ValueError."""
    if "://" not in where:
        return FileText(Path(where).expanduser())
    try:
        upstream.parse(where.partition("?")[0])
    except ValueError as e:
        raise ValueError(str(e).replace("would send the token unencrypted", "could be changed in transit")) from e
    return WebText(where, folder, user_agent)


class FileText:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = ""
        self._seen: tuple[int, int, int] | None = None
        self._trouble = ""
        self._look()

    async def current(self) -> str:
        try:
            await daemon_threads.aside(self._look)
            self._trouble = ""
        except ValueError as e:
            if str(e) != self._trouble:
                self._trouble = str(e)
                logger.warning(f"codex_instructions: {e}; the last good text stays in use.")
        return self.text

    def _look(self) -> None:
        """Read it if it has changed. Raises ValueError in words; the text stays."""
        try:
            found = bounded_files.status(self.path)
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen == self._seen:
                return
            self.text = checked(bounded_files.read(self.path, LARGEST), str(self.path))
            self._seen = seen
        except OSError as e:
            raise ValueError(f"{self.path} can't be read: {e.strerror}") from e


class WebText:
    def __init__(self, url: str, folder: Path, user_agent: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.url, self.text, self.etag = url, "", ""
        self._user_agent = user_agent
        self._refreshed = Refreshed(self._get, LIFE, REST, clock)
        self.renew, self.close = self._refreshed.renew, self._refreshed.close
        self._kept = folder / f"instructions-{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"
        self._trouble = ""
        self._read_kept()

    async def current(self) -> str:
        self.renew()
        if not self.text:
            await self._refreshed.wait(PATIENCE)
        return self.text

    async def _get(self) -> bool:
        try:
            await self._ask()
        except (ValueError, OSError, http_client.Failed) as e:
            said = f"{str(e) or type(e).__name__} {clock.doubt(str(e))}".rstrip(". ")
            if said != self._trouble:
                self._trouble = said
                serves = "the last good text stays in use" if self.text else "requests are sent without it"
                logger.warning(f"codex_instructions: {self.url.partition('?')[0]} can't be fetched: {said}; {serves}.")
            return False
        self._trouble = ""
        return True

    async def _ask(self) -> None:
        headers = {"user-agent": self._user_agent, "accept": "text/*, */*;q=0.5"}
        if self.text and self.etag:
            headers["if-none-match"] = self.etag
        fields = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        answer = await http_client.send("GET", self.url, fields, b"", policy.TEXT)
        if answer.status == 304 and self.text:
            return
        if 300 <= answer.status < 400:
            raise ValueError(f"it has moved to {answer.header('location') or 'another address'}: name that one")
        if answer.status != 200:
            raise ValueError(f"the server answered with status {answer.status}")
        self.text, self.etag = checked(answer.body, "it"), answer.header("etag")
        await daemon_threads.aside(self._keep)

    def _keep(self) -> None:
        """Blocks on the disk."""
        data = json.dumps({"url": self.url, "etag": self.etag, "text": self.text}, ensure_ascii=False).encode()
        try:
            self._kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomic_files.replace(self._kept, data)
        except OSError as e:
            where = self._kept.parent
            logger.warning(
                f"codex_instructions: the text can't be saved in {where} ({e.strerror}), so the next start begins without it."
            )

    def _read_kept(self) -> None:
        try:
            kept = json_text.decode(bounded_files.read(self._kept, 4 * LARGEST))
            if kept["url"] == self.url and is_plain(str(kept["etag"]) or "none"):
                self.text, self.etag = checked(str(kept["text"]).encode(), "it"), str(kept["etag"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no usable copy


def checked(data: bytes, what: str) -> str:
    """The text in `data`. Raises ValueError for what is not text, or is too long."""
    if len(data) > LARGEST:
        raise ValueError(f"{what} is larger than {LARGEST >> 20} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise ValueError(f"{what} is not text in UTF-8 ({e.reason})") from e
    if not text.strip():
        raise ValueError(f"{what} is empty")
    return text
