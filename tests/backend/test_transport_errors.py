import secrets

import pytest

from codex_proxy.backend.transport_errors import GARBLED, explain
from codex_proxy.output import redact

# As mitmproxy 12.2.3 and httpx2 word them.
MESSAGES = [
    ("[Errno -2] Name or service not known", 502, "backend_unknown_host"),
    ("[Errno -3] Temporary failure in name resolution", 502, "backend_unknown_host"),
    ("[Errno 8] nodename nor servname provided, or not known", 502, "backend_unknown_host"),
    ("[Errno 11001] getaddrinfo failed", 502, "backend_unknown_host"),
    ("[Errno -5] No address associated with hostname", 502, "backend_unknown_host"),
    ("[Errno 111] Connect call failed ('127.0.0.1', 1)", 502, "backend_unreachable"),
    ("[Errno 111] Connection refused", 502, "backend_unreachable"),
    ("[Errno 101] Network is unreachable", 502, "backend_unreachable"),
    ("[Errno 113] No route to host", 502, "backend_unreachable"),
    ("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0), [Errno 111] Connect call failed", 502, "backend_unreachable"),
    ("All connection attempts failed", 502, "backend_unreachable"),
    ("Certificate verify failed: self-signed certificate", 502, "backend_certificate"),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1000)", 502, "backend_certificate"),
    ("The remote server does not speak TLS.", 502, "backend_tls"),
    ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)", 502, "backend_tls"),
    ("connection closed without notifying the handshake", 502, "backend_tls"),
    ("server closed connection", 502, "backend_closed"),
    ("[Errno 104] Connection reset by peer", 502, "backend_closed"),
    ("Server disconnected without sending a response.", 502, "backend_closed"),
    ("[Errno 32] Broken pipe", 502, "backend_closed"),
    ("HTTP/1 protocol error: peer closed connection without sending complete message body (incomplete chunked read)", 502, "backend_closed"),
    ("Upstream proxy 127.0.0.1:3128 refused HTTP CONNECT request: 407 Proxy Authentication Required", 502, "outgoing_proxy_failed"),
    ("407 Proxy Authentication Required", 502, "outgoing_proxy_failed"),
    ("HTTP/1 protocol error: illegal header line", 502, "backend_garbled"),
    ("Cannot parse HTTP response: expected a status line", 502, "backend_garbled"),
    ("unexpected server response: b'HTTP/1.1 200 OK'", 502, "backend_garbled"),
    ("Receive buffer too long", 502, "backend_garbled"),
    ("Received server _SWITCH_UPGRADE event without a pending proposal", 502, "backend_garbled"),
    ("not the way to the Codex backend", 500, "not_sent"),
    ("[Errno 24] Too many open files", 503, "proxy_out_of_files"),
    ("something nobody has seen yet", 502, "backend_unreachable"),
    ("", 502, "backend_unreachable"),
]  # fmt: skip


@pytest.mark.parametrize("message, status, code", MESSAGES)
def test_a_failed_exchange_has_a_code_by_its_words(message: str, status: int, code: str) -> None:
    error = explain(message, "chatgpt.com")
    assert (error.status, error.code) == (status, code)
    assert message in error.message


TIME_OUTS = [
    ("connect", "did not take the connection in time"),
    ("idle", "gave no answer for 300 s; whether it got the request is not known"),
    ("stall", "stopped in the middle of its answer: nothing more came for 300 s"),
    ("dead", "is dead; whether the request arrived is not known"),
    ("total", "did not complete its answer"),
]


@pytest.mark.parametrize("gave_up, sign", TIME_OUTS)
def test_a_time_out_of_ours_is_told_as_one_whatever_the_words(gave_up: str, sign: str) -> None:
    error = explain("[Errno 111] Connection refused", "chatgpt.com", gave_up, after=300.0)
    assert (error.status, error.code) == (504, "backend_timeout")
    assert sign in error.message and "refused" not in error.message


@pytest.mark.parametrize("message", [message for message, _, code in MESSAGES if code.startswith("backend_")])
def test_the_backend_is_named(message: str) -> None:
    assert "chatgpt.com" in explain(message, "chatgpt.com").message


@pytest.mark.parametrize("message", ["[Errno 111] Connect call failed", "[Errno -2] Name or service not known", "odd"])
def test_with_an_outgoing_proxy_it_is_the_proxy_that_was_not_reached(message: str) -> None:
    error = explain(message, "chatgpt.com", via="proxy.corp:3128")
    assert (error.status, error.code) == (502, "outgoing_proxy_failed")
    assert "proxy.corp:3128" in error.message and "chatgpt.com" not in error.message and message in error.message


@pytest.mark.parametrize(
    "message, code", [("server closed connection", "backend_closed"), ("certificate", "backend_certificate")]
)
def test_behind_an_outgoing_proxy_the_backend_still_has_its_own_troubles(message: str, code: str) -> None:
    assert explain(message, "chatgpt.com", via="proxy.corp:3128").code == code


def test_no_token_is_repeated() -> None:
    secret = secrets.token_hex(16)
    error = explain(f"Illegal header value b'Bearer {secret}'", "chatgpt.com")
    assert secret not in error.message


def test_a_long_message_is_cut() -> None:
    assert len(explain("x" * 10_000, "chatgpt.com").message) < 400


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        (
            "Received message with both lengths from client, refusing to prevent request smuggling attacks.",
            400,
            "malformed_request",
        ),
        (
            "Received message with both lengths from server, refusing to prevent request smuggling attacks.",
            502,
            "backend_garbled",
        ),
        ("Malformed request: a chunk's size is b'zz'", 400, "malformed_request"),
        # Whatever words of the backend's follow.
        (GARBLED + "its first line is b'certificate proxy connect timeout refused'", 502, "backend_garbled"),
        (GARBLED + "its body: a chunk's size is b'Malformed request'", 502, "backend_garbled"),
        ("peer closed connection without sending complete answer (in its head)", 502, "backend_closed"),
        ("conflicting Content-Length headers", 502, "backend_garbled"),
    ],
)
def test_each_side_is_told_its_own_mistakes(message: str, status: int, code: str) -> None:
    error = explain(message, "chatgpt.com")
    assert (error.status, error.code) == (status, code)


def test_a_message_of_any_length_is_told_in_short() -> None:
    assert len(explain(GARBLED + "bearer " * 3_000_000, "chatgpt.com").message) < 400


def test_what_hides_a_secret_is_no_sign() -> None:
    secret = secrets.token_hex(12)
    redact.KNOWN.know("token", secret)
    error = explain(f"connection reset by {secret}", "chatgpt.com")
    assert error.code == "backend_closed" and secret not in error.message
