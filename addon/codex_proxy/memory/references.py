"""Resolve `previous_response_id` and `item_reference` from the proxy's memory; the backend stores nothing."""

from typing import Protocol

import msgspec

from ..changes import Change, put
from ..errors import ProxyError
from ..raw_json import ABSENT, Object, encoded, value

WHY = "the backend stores nothing; this comes from the proxy's memory"


class PastResponses(Protocol):
    """The remembered responses of one caller."""

    def item(self, item_id: str, /) -> msgspec.Raw | None: ...

    def conversation(self, response_id: str, /) -> list[msgspec.Raw] | None: ...

    def reasoning_before(self, call_id: str, /) -> list[msgspec.Raw]: ...


def conversation(body: Object, past: PastResponses | None) -> list[Change]:
    """The conversation up to a decoded body's `previous_response_id`, in front of its input. Raises ProxyError 400 where it
    is not in memory, or not any more."""
    response_id = value(body.get("previous_response_id", ABSENT))
    if response_id in (None, False, ""):
        return []
    before = past.conversation(response_id) if past and isinstance(response_id, str) else None
    if before is None:
        raise not_found(
            "previous_response_not_found",
            "previous_response_id",
            f"Previous response with id '{str(response_id)[:100]}' not found",
            "Send the whole conversation in `input` instead: in LangChain set use_previous_response_id=False, in openai-agents"
            " leave out previous_response_id and auto_previous_response_id.",
        )
    del body["previous_response_id"]
    new = msgspec.json.decode(body.get("input", b"[]"), type=list[msgspec.Raw])
    body["input"] = encoded([*before, *new])
    return [put("previous_response_id", "replaced by the conversation before it", WHY)]


def item(item_id: str, past: PastResponses | None) -> msgspec.Raw:
    """The item that an `item_reference` stands for. Raises ProxyError 400 like `conversation`."""
    found = past.item(item_id) if past else None
    if found is None:
        raise not_found(
            "item_not_found",
            "input",
            f"Item with id '{item_id[:100]}' not found",
            "Let the client send whole items: with store: false, in the Vercel AI SDK as providerOptions.openai.store.",
        )
    return found


def not_found(code: str, param: str, what: str, instead: str) -> ProxyError:
    """In the words of OpenAI's own refusal, which clients look for, and then in ours."""
    return ProxyError(
        code,
        f"{what}. The backend stores nothing, and in the proxy's memory of what passed here (codex_memory) it is not,"
        f" or not any more. {instead}",
        extra={"param": param},
    )
