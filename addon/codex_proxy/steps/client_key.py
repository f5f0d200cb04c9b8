"""The client key: read from the option, the environment or a file, and hidden wherever it would be shown."""

import asyncio
import hmac
import os
from pathlib import Path

from mitmproxy import ctx

from ..files import bounded as bounded_files
from ..layers.listening import DECIDING, given
from ..layers.option_checks import logger, reject
from ..message import field_values
from ..net import listeners
from ..output import redact

# Longer than any key, in bytes.
KEY_LIMIT = 64 << 10


def resolve_key(option: str) -> str:
    """The client key that `codex_client_key` names. Raises ValueError."""
    kind, colon, rest = option.partition(":")
    if colon and kind == "env":
        key = os.environ.get(rest, "")
        if not key:
            raise ValueError(f"the environment has no {rest}")
    elif colon and kind == "file":
        try:
            key = bounded_files.read(Path(rest).expanduser(), KEY_LIMIT).decode().strip()
        except RuntimeError as e:
            raise ValueError(f"{rest}: {e}") from e
        except OSError as e:
            raise ValueError(f"{rest} can't be read: {e.strerror}") from e
        except UnicodeDecodeError as e:
            raise ValueError(f"{rest} can't be read: it is not text in UTF-8") from e
        if not key:
            raise ValueError(f"{rest} is empty")
    else:
        key = option
    if field_values.malformed([(b"key", as_bytes(key))]):
        raise ValueError("the key contains a line break or a control character, which no client can send")
    return key


def as_bytes(text: str) -> bytes:
    """Of a header, a variable or an argument the bytes that it was, text or not (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


class ClientKey:
    """The key that callers have to present; empty: none (`codex_client_key`)."""

    def __init__(self) -> None:
        self.value = ""
        self._hidden = ""
        """The key that the option's hidden text stands for."""

    def configure(self, updated: set[str]) -> None:
        key = self._read_key(ctx.options.codex_client_key) if "codex_client_key" in updated else self.value
        if updated & {"codex_client_key", *DECIDING}:
            # Listening beyond this machine without a key is refused, with the way out.
            if not key and (problem := listeners.without_key(given())):
                reject(problem)
        # Last: what is refused above leaves the key as it was, whatever becomes of the option.
        self.value = key
        redact.KNOWN.know("client key", key)

    def matches(self, shown: str) -> bool:
        """Compare with the key in constant time."""
        return hmac.compare_digest(as_bytes(shown), as_bytes(self.value))

    def _read_key(self, option: str) -> str:
        if option == redact.HIDDEN:
            if not self._hidden:
                reject(
                    "codex_client_key: only the placeholder of a hidden key is left; set the key again, as env:NAME or file:PATH"
                )
            # mitmproxy puts the old text back after any addon has refused a new one.
            return self._hidden
        key = ""
        try:
            key = resolve_key(option)
        except ValueError as e:
            reject(f"codex_client_key: {e}")
        if key and key == option:
            logger.warning(
                "codex_client_key holds the key itself, which every user of this machine can read from the command line;"
                " env:NAME or file:PATH are safer."
            )
            asyncio.get_running_loop().call_soon(self._hide, key)
        return key

    def _hide(self, key: str) -> None:
        """mitmweb's options page shows every option, and `options.save` writes it."""
        if ctx.options.codex_client_key == key:  # or another addon has refused it
            self._hidden = key
            ctx.options.update(codex_client_key=redact.HIDDEN)
