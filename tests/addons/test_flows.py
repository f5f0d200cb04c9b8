from typing import Any

import pytest
from mitmproxy.test import tflow

from codex_proxy.addons import flows
from codex_proxy.addons.flows import KEY, readable, sent, unforeseen

NOT_SENT, SENT = "nothing was sent to the backend", "the request was already on its way to the backend"


def of_flow(state: dict[str, Any] | None) -> Any:
    flow = tflow.tflow()
    if state is not None:
        flow.metadata[KEY] = state
    return flow


@pytest.mark.parametrize(
    "of, sentence",
    [
        (None, NOT_SENT),
        ({}, NOT_SENT),
        ({"sent_at": 0.0}, SENT),
        ({"sent_at": 1.0, "refused": "x"}, SENT),
        (of_flow(None), NOT_SENT),
        (of_flow({"route": "responses"}), NOT_SENT),
        (of_flow({"sent_at": 0.0}), SENT),
    ],
)
def test_what_is_said_of_the_sending_is_true(of: Any, sentence: str) -> None:
    assert sent(of) == sentence
    error = unforeseen("Here", ValueError("x"), of)
    assert error.status == 500 and f"(Here: ValueError); {sentence}." in error.message


@pytest.mark.parametrize(
    "data, text",
    [(b"a", "a"), (b"", ""), (b"\xc3\xa9", "\u00e9"), (b"\xe9", "\u00e9"), (b"\xff\xfe", "\u00ff\u00fe"), (b"\xed\xa0\x80", "\u00ed\u00a0\u0080")],
)  # fmt: skip
def test_a_headers_bytes_become_a_text_that_can_be_saved(data: bytes, text: str) -> None:
    assert readable(data) == text
    readable(data).encode()


def test_a_claimed_flow_can_be_written_whatever_its_head_is() -> None:
    flow = tflow.tflow()
    flow.request.data.method = b"\xff"
    flow.request.data.path = b"/v1/\xff\x1b[31m\xed\xa0\x80?\xff=\x00"
    flow.request.headers = type(flow.request.headers)([(b"\xff", b"\xff"), (b"host", b"\xed\xa0\x80")])
    state = flows.claim(flow)
    flows.keep_original_head(flow)
    assert state["method"].isprintable() and state["path"] == "/v1/%FF%1B[31m%ED%A0%80"
    assert flow.request.path == "/v1/%FF%1B[31m%ED%A0%80?[hidden by the proxy]" or flow.request.path.isascii()
    repr(state).encode()
    str(state["original"]).encode()
