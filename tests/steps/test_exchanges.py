"""Which flow is whose: what is held beside a flow, what is written into it, and what a replayed one keeps."""

import gc
import io
import weakref
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.io import FlowReader, FlowWriter
from mitmproxy.test import tflow

from codex_proxy.steps import exchanges
from codex_proxy.steps.exchanges import readable
from codex_proxy.walk.exchange import Exchange
from codex_proxy.walk.saved import KEY, VERSION, Saved, loaded, saved

from .flows import claimed


def again(flow: http.HTTPFlow) -> http.HTTPFlow:
    """A flow as a file of flows gives it back."""
    FlowWriter(file := io.BytesIO()).add(flow)
    (read,) = FlowReader(io.BytesIO(file.getvalue())).stream()
    assert isinstance(read, http.HTTPFlow)
    return read


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
    exchange = claimed(flow)
    exchanges.keep_original_head(flow, exchange)
    assert exchange.method.isprintable() and exchange.path == "/v1/%FF%1B[31m%ED%A0%80"
    assert flow.request.path == "/v1/%FF%1B[31m%ED%A0%80?[hidden by the proxy]" or flow.request.path.isascii()
    exchanges.save(flow, exchange)
    assert exchanges.known(again(flow)) == exchanges.known(flow)


def test_a_claimed_flow_says_so_when_it_is_saved_at_once() -> None:
    flow = tflow.tflow()
    flow.request.path = "/v1/responses?a=b"
    exchange = claimed(flow)
    assert exchanges.of(flow) is exchange
    assert flow.metadata[KEY] == {"version": VERSION, "method": "GET", "path": "/v1/responses"}


def test_a_running_flow_is_known_as_it_is_now_and_a_loaded_one_as_it_was_saved() -> None:
    flow = tflow.tflow()
    exchange = claimed(flow)
    exchanges.save(flow, exchange)
    exchange.model = "m"
    assert exchanges.known(flow).model == "m" and exchanges.known(again(flow)).model == ""


@pytest.mark.parametrize("garbage", [None, "x", 3, [], {"turns": 3}, {"model": []}])
def test_of_a_flow_that_is_not_ours_nothing_is_known(garbage: Any) -> None:
    flow = tflow.tflow()
    assert exchanges.of(flow) is None and exchanges.known(flow) == Saved()
    flow.metadata[KEY] = garbage
    assert exchanges.known(again(flow)) == Saved()


def test_a_replayed_flow_keeps_its_original_and_its_caller_and_nothing_else() -> None:
    flow = tflow.tflow()
    flow.request.headers["user-agent"] = "one"
    exchange = claimed(flow)
    exchange.caller, exchange.model, exchange.notes = "somebody", "m", ["sent again"]
    exchanges.keep_original_head(flow, exchange)
    exchanges.save(flow, exchange)

    replayed = again(flow)
    replayed.is_replay = "request"
    replayed.request.headers["user-agent"] = "another"
    after = claimed(replayed)
    exchanges.keep_original_head(replayed, after)
    assert after.original == exchange.original and after.original and after.original.header("user-agent") == "one"
    assert (after.caller, after.model, after.notes) == ("somebody", "", [])


def test_a_flow_that_is_not_replayed_keeps_nothing_of_what_stands_in_it() -> None:
    flow = tflow.tflow()
    flow.metadata[KEY] = saved(Exchange(caller="somebody", model="m"))
    exchange = claimed(flow)
    assert (exchange.caller, exchange.model) == ("", "") and loaded(flow.metadata[KEY]).caller == ""


@pytest.mark.parametrize(
    "size, kept, is_cut", [(0, 0, False), (1 << 20, 1 << 20, False), ((1 << 20) + 1, 1 << 20, True)]
)
def test_of_a_clients_body_so_much_is_kept(size: int, kept: int, is_cut: bool) -> None:
    flow = tflow.tflow()
    exchange = claimed(flow)
    exchanges.keep_original_body(exchange, b"x" * size)
    assert exchange.original is None
    exchanges.keep_original_head(flow, exchange)
    exchanges.keep_original_body(exchange, b"x" * size)
    exchanges.keep_original_body(exchange, b"the second time")
    original = exchange.original
    assert original and (len(original.body or ""), original.body_size, original.body_cut) == (kept, size, is_cut)


def test_an_exchange_goes_with_its_flow() -> None:
    flow = tflow.tflow()
    ended = weakref.ref(claimed(flow))
    del flow
    gc.collect()
    assert ended() is None
