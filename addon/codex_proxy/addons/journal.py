"""Log format: one safe line for each record (log_record.py); under systemd with a level prefix (sd-daemon(3)) and without the time."""

import io
import logging
import os
from typing import IO

from mitmproxy import log
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.termlog import TermLogHandler
from mitmproxy.utils import human

from ..output.log_record import LogRecord

# From the most urgent down: what is logged at this level or above has this priority (syslog(3)).
PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (log.ALERT, 5), (logging.INFO, 6))
DEBUG = 7


class Journal:
    def load(self, loader: Loader) -> None:
        # Of the whole process: mitmproxy's own lines repeat what came over a connection as well.
        logging.setLogRecordFactory(LogRecord)
        for handler in logging.getLogger().handlers:
            if not isinstance(handler, TermLogHandler):
                continue
            if isinstance(handler.file, io.TextIOWrapper):
                # A character that the terminal's encoding lacks would raise in the code that logs it.
                handler.file.reconfigure(errors="backslashreplace")
            if is_journal(handler.file):
                handler.setFormatter(JournalFormatter())

    def done(self) -> None:
        logging.setLogRecordFactory(logging.LogRecord)


class JournalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if client := getattr(record, "client", None):
            text = f"[{human.format_address(client)}] {text}"
        # Each line is an entry of its own.
        return "\n".join(f"<{priority(record.levelno)}>{line}" for line in text.splitlines())


def priority(level: int) -> int:
    return next((number for least, number in PRIORITIES if level >= least), DEBUG)


def is_journal(file: IO[str]) -> bool:
    """Does what is written here go to the journal? What systemd says of its own pipe may be inherited by programs that have
    another (systemd.exec(5), `$JOURNAL_STREAM`)."""
    try:
        status = os.fstat(file.fileno())
    except OSError:  # no real file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
