"""A strict stand-in for the ChatGPT backend of Codex and its OAuth server."""

from .failures import FAILURES
from .seen import Seen
from .server import Standin

__all__ = ["FAILURES", "Seen", "Standin"]
