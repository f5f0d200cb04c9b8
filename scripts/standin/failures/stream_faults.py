"""What a failure does to a stream: to its events, their bytes, or the way they are written."""

import time
from collections.abc import Callable
from typing import Any

from ..answers.events import Event, frame, numbered
from ..answers.script import Encoding, Script
from ..wire.replies import dumps

OVERLOADED = "Our servers are currently overloaded. Please try again later."
# docs/backend.md, 7.4; the texts are known for some of them only.
MESSAGES = {
    "context_length_exceeded": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "usage_not_included": "To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus.",
    "cyber_policy": "This request has been flagged for possible cybersecurity risk.",
    "invalid_prompt": "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
    "bio_policy": "This request has been flagged for possible biological risk.",
    "misalignment_policy_violation": "This request has been flagged.",
    "server_is_overloaded": OVERLOADED,
    "slow_down": "Please slow down.",
    "rate_limit_exceeded": "Rate limit reached for gpt-6-sol. Please try again in 1.898s.",
}  # fmt: skip
BEGUN = 2  # response.created and response.in_progress


def no_content_type(script: Script, _: str) -> None:
    script.content_type = None


def encoded(encoding: Encoding) -> Callable[[Script, str], None]:
    def spoil(script: Script, _: str) -> None:
        script.encoding = encoding

    return spoil


def done_marker(script: Script, _: str) -> None:
    script.trailer = b"data: [DONE]\n\n"


def terminal_done(script: Script, _: str) -> None:
    script.events[-1] = {**script.events[-1], "type": "response.done"}


def incomplete(script: Script, reason: str) -> None:
    last = script.events[-1]
    response = {**last["response"], "status": "incomplete", "incomplete_details": {"reason": reason}}
    script.events[-1] = {**last, "type": "response.incomplete", "response": response}


def full_output(script: Script, _: str) -> None:
    last = script.events[-1]
    output = [event["item"] for event in script.events if event["type"] == "response.output_item.done"]
    script.events[-1] = {**last, "response": {**last["response"], "output": output}}


def crlf(script: Script, _: str) -> None:
    script.render = lambda event: frame(event).replace(b"\n", b"\r\n")


def comments(script: Script, _: str) -> None:
    between = b': keep-alive\n\nevent: keepalive\ndata: {"type":"keepalive"}\n\n:\nevent: codex.new\ndata: {"type":"codex.new"}\n\n'
    script.render = lambda event: between + frame(event)


def no_event_lines(script: Script, _: str) -> None:
    script.render = lambda event: b"data: " + dumps(event) + b"\n\n"


def split(script: Script, size: str) -> None:
    script.split = int(float(size))


def slow(script: Script, seconds: str) -> None:
    script.pauses = lambda pieces: dict.fromkeys(range(pieces), float(seconds))


def slow_start(script: Script, seconds: str) -> None:
    script.wait = float(seconds)


def silence(script: Script, seconds: str) -> None:
    script.pauses = lambda pieces: {pieces // 2: float(seconds)}


def close_idle(script: Script, _: str) -> None:
    script.close_after = True


def failed(script: Script, code: str) -> None:
    script.events = numbered([*script.events[:BEGUN], _failure(script.events[0]["response"], code)])


def failed_late(script: Script, code: str) -> None:
    middle = _after_some(script)
    script.events = numbered([*script.events[:middle], _failure(script.events[0]["response"], code)])


def error_flat(script: Script, _: str) -> None:
    error: Event = {"type": "error", "code": "server_error", "message": "Something went wrong.", "param": None}
    script.events = numbered([*script.events[:BEGUN], error])


def error_nested(script: Script, _: str) -> None:
    _in_stream(
        script, {"type": "server_error", "code": "server_error", "message": "Something went wrong.", "param": None}
    )


def overload(script: Script, _: str) -> None:
    _in_stream(
        script,
        {"type": "service_unavailable_error", "code": "server_is_overloaded", "message": OVERLOADED, "param": None},
    )


def cut_clean(script: Script, _: str) -> None:
    script.events = script.events[:-1]


def cut_close(script: Script, _: str) -> None:
    script.events = script.events[:-1]
    script.end = "close"


def reset(script: Script, _: str) -> None:
    script.events = script.events[: _after_some(script)]
    script.end = "reset"


def reset_mid_line(script: Script, _: str) -> None:
    reset(script, _)
    script.half_last = True


def _after_some(script: Script) -> int:
    return max(BEGUN + 1, len(script.events) * 2 // 3)


def _in_stream(script: Script, error: dict[str, Any]) -> None:
    script.events = numbered([*script.events[:BEGUN], {"type": "error", "error": error}])


def _failure(response: dict[str, Any], code: str) -> Event:
    """In the form of the CLI's own fixtures."""
    message = MESSAGES.get(code, "The server had an error processing your request.")
    shape = {
        "id": response["id"],
        "object": "response",
        "created_at": int(time.time()),
        "status": "failed",
        "background": False,
        "error": {"code": code, "message": message},
        "usage": None,
        "user": None,
        "metadata": {},
    }
    return {"type": "response.failed", "response": shape}
