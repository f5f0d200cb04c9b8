"""Log records that are always one safe line, whoever logs them and whichever handler shows them.

Installed with `logging.setLogRecordFactory`: handlers and formatters come and go, but each asks the record for its message.
"""

import logging
import traceback
from typing import Any

from ..printable import printable
from . import redact

# How much of one message, including its traceback, is shown, in characters.
LONGEST = 1 << 16

# Lines that are kept are indented: none of them can pass for a line of the log.
INDENT = "    "

# mitmproxy's lines about its listeners quote no one, and WireGuard's configuration is meant to be copied.
KEEPS_LINES = "mitmproxy.proxy.mode_servers"


class LogRecord(logging.LogRecord):
    """A record whose message has no secret and no control character in it, and its traceback below it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shown: str | None = None
        self._below = ""
        if self.exc_info:
            self._below = "".join(traceback.format_exception(*self.exc_info))
        if self.stack_info:
            self._below += self.stack_info
        # Formatters would add them as they are.
        self.exc_info = self.exc_text = self.stack_info = None

    def getMessage(self) -> str:
        if self._shown is None:
            try:
                text = super().getMessage()
            except Exception:  # a format that does not fit its arguments, or an object that can't be shown
                text = f"{type(self.msg).__name__} with {type(self.args).__name__}, which can't be formatted"
            first, *lines = text.split("\n") if self.name == KEEPS_LINES else [text]
            self._shown = shown(first, "\n".join(lines) or self._below)
        return self._shown


def shown(text: str, below: str = "") -> str:
    """A message as the log has it: `text` in one line, and what stands below it in its own, indented."""
    lines = clean(below).rstrip("\n").split("\n") if below else []
    return "\n".join([printable(clean(text)), *(INDENT + printable(line) for line in lines)])


def clean(text: str) -> str:
    return redact.redact(text[: LONGEST + redact.MARGIN])[:LONGEST]
