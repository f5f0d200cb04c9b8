"""A strict stand-in for the ChatGPT backend of Codex and its OAuth server."""

from .failures.table import FAILURES
from .server import Standin
from .wire.seen import Seen

__all__ = ["FAILURES", "Seen", "Standin"]
