"""The interface of a dialect: another API's form of a turn, translated to a Responses request and its answer back.

To add one: a module with a `Translate`, and a row in front/routes.py.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from .changes import Change
from .raw_json import Object


class Stream(Protocol):
    """Takes the frames of a Responses stream and gives those of the dialect's."""

    @property
    def stopped(self) -> bool:
        """Does the client want no more of it?"""

    def feed(self, frames: Iterable[bytes]) -> list[bytes]: ...


class Document(Protocol):
    """Takes the frames of a Responses stream and gives one document at its end."""

    @property
    def stopped(self) -> bool:
        """Does the client want no more of it?"""

    def feed(self, frames: Iterable[bytes]) -> None: ...

    def made(self) -> bytes:
        """The document. Raises ProxyError where the answer failed."""


class Translation(Protocol):
    """How to answer one request; `model` is the requested one."""

    @property
    def may_stop(self) -> bool:
        """May its answer end before the backend's does? Then the backend's connection is ended with it."""

    def stream(self, model: str) -> Stream: ...

    def document(self, model: str) -> Document: ...


ReasoningBefore = Callable[[str], list[msgspec.Raw]]
"""Takes the id of a call, and gives the reasoning that came before it, as far as it is remembered."""

Translate = Callable[[Object, ReasoningBefore], tuple[Object, Translation, list[Change]]]
"""Takes the decoded body, and gives that of the Responses request. Raises ProxyError 400."""


def answered(frames: Iterable[bytes], translation: Translation, model: str, *, streams: bool) -> bytes:
    """The answer to a stream that came whole. Raises ProxyError where it failed and no stream is asked for."""
    if streams:
        return b"".join(translation.stream(model).feed(frames))
    document = translation.document(model)
    document.feed(frames)
    return document.made()
