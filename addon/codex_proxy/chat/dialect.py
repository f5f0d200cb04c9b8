"""The chat completions dialect, as the table of routes refers to it."""

from ..changes import Change
from ..dialect import ReasoningBefore, Translation
from ..raw_json import Object
from . import request
from .answer import Chunks, Whole


class ChatTranslation:
    def __init__(self, chat: request.Chat) -> None:
        self.chat = chat

    @property
    def may_stop(self) -> bool:
        return bool(self.chat.stop)

    def stream(self, model: str) -> Chunks:
        return Chunks(self.chat, model)

    def document(self, model: str) -> Whole:
        return Whole(self.chat, model)


def translate(body: Object, reasoning_before: ReasoningBefore) -> tuple[Object, Translation, list[Change]]:
    """The Responses request for a decoded chat body. Raises ProxyError 400."""
    fixed, chat, changes = request.translate(body, reasoning_before)
    return fixed, ChatTranslation(chat), changes
