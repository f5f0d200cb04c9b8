"""Check option values and report the wrong ones."""

import logging
import math
import sys

from mitmproxy import exceptions
from mitmproxy.utils import human

from ..output.redact import one_line
from .found_addon import proxyserver

logger = logging.getLogger(__name__)


def reject(message: str) -> None:
    """Tell of a wrong option: at the start one line and exit status 1, before anything listens; later an OptionsError,
    which leaves the old value.

    (At the start an OptionsError would print a traceback, and an error in the log ends mitmproxy 12.2.3 on Python 3.13.0
    with a segmentation fault two times in five.)
    """
    message = one_line(message)
    server = proxyserver()
    if server and not server.is_running:
        sys.exit(message)
    raise exceptions.OptionsError(message)


def seconds(name: str, text: str) -> float:
    """A time span from an option's text, in seconds; anything else is rejected."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        reject(f"{name}={text!r} is not a number of seconds")
    return value


def size(name: str, text: str) -> int | None:
    """A size from an option's text, in bytes, with k, m or g as in mitmproxy's own options; None for anything else."""
    try:
        return human.parse_size(text) or 0
    except ValueError:
        return None
