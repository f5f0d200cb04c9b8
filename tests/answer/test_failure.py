from typing import Any

import msgspec
import pytest

from codex_proxy.answer import failure
from codex_proxy.errors import ProxyError
from codex_proxy.output.redact import HIDDEN
from codex_proxy.raw_json import ABSENT, encoded

TOKEN = "sk-" + "Ab1" * 12


@pytest.mark.parametrize(
    ("kind", "error", "response", "told"),
    [
        ("response.failed", None, {"error": {"code": "c", "message": "m"}}, {"code": "c", "message": "m"}),
        ("response.failed", None, {"error": "odd"}, {"code": "flat", "message": "said"}),
        ("response.failed", None, None, {"code": "flat", "message": "said"}),
        ("error", {"type": "t", "message": "m"}, None, {"type": "t", "message": "m"}),
        ("error", "odd", None, {"code": "flat", "message": "said"}),
        ("error", {"code": "c", "message": f"with {TOKEN}"}, None, {"code": "c", "message": f"with {HIDDEN}"}),
        ("error", {"code": "c", "message": "m", "x": "y" * failure.LONG}, None, {"code": "c", "message": "m"}),
    ],
)
def test_a_failure_is_read_wherever_it_stands(kind: str, error: Any, response: Any, told: dict[str, Any]) -> None:
    nested, whole = (ABSENT if value is None else encoded(value) for value in (error, response))
    assert failure.reported(kind, nested, whole, "flat", "said") == told


def test_an_error_event_has_the_flat_and_the_nested_form() -> None:
    told = failure.event(ProxyError("stream_broken", "It broke."), 7)
    assert (told["code"], told["message"], told["sequence_number"]) == ("stream_broken", "It broke.", 7)
    assert told["error"] == {"message": "It broke.", "type": "server_error", "param": None, "code": "stream_broken"}


@pytest.mark.parametrize(
    "begun, name", [(b'{"id":"resp_1"}', "resp_1"), (b'{"x":"' + b"y" * failure.LONG_BEGUN + b'"}', "resp_")]
)
def test_a_failed_response_is_what_began_unless_that_is_long(begun: bytes, name: str) -> None:
    fields = failure.response(begun, ProxyError("stream_broken", "It broke."))
    told = msgspec.json.decode(msgspec.json.encode(fields))
    assert told["id"].startswith(name) and "x" not in told
    assert (told["status"], told["error"]) == ("failed", {"code": "stream_broken", "message": "It broke."})


@pytest.mark.parametrize("more, same", [({}, True), ({"x": TOKEN}, False), ({"x": "y" * failure.LONG}, False)])
def test_a_failure_of_a_websocket_keeps_its_form_without_tokens(more: dict[str, Any], same: bool) -> None:
    data = msgspec.json.encode({"type": "error", "error": {"code": "c", "message": "m"}, **more})
    told = failure.of_socket(data, "error", {"code": "c", "message": "m"})
    assert (told == data) is same and TOKEN.encode() not in told and len(told) < 1000
    assert b'"c"' in failure.of_socket(b" " * failure.LONG + b"{}", "response.failed", {"code": "c"})
