import json
import secrets
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codex_proxy.backend import refusals
from codex_proxy.backend.refusals import explain, in_stream
from codex_proxy.errors import ProxyError

from ..properties import examples

NOW = 1_795_518_000.0


def refusal(status: int, body: Any, headers: dict[str, str] | None = None) -> ProxyError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return explain(status, headers or {}, data, NOW, remedy="Run: it")


@pytest.mark.parametrize(
    "body, error",
    [
        ({"detail": "Store must be set to false"}, {"message": "Store must be set to false"}),
        (
            {"detail": {"code": "deactivated_workspace"}},
            {"message": "deactivated_workspace", "code": "deactivated_workspace"},
        ),
        ({"detail": {"type": "t", "message": "m"}}, {"message": "m", "type": "t"}),
        ({"detail": [{"loc": ["query"]}]}, {"message": '[{"loc": ["query"]}]'}),
        ({"error": {"message": "m", "code": "c"}, "status": 401}, {"message": "m", "code": "c"}),
        ({"error": "invalid_grant", "error_description": "d"}, {"message": "d", "code": "invalid_grant"}),
        ({"error": "e", "message": "m"}, {"message": "m", "code": "e"}),
        ({"error": "temporary-failure"}, {"message": "temporary-failure", "code": "temporary-failure"}),
        ({"message": "m"}, {"message": "m"}),
        ({"message": 5}, {}),
        ({}, {}),
        ([], {}),
        ("text", {}),
        (b"", {}),
        (b"<html>", {}),
        (b"\xff", {}),
        (b"[" * 100_000, {}),
        (b'{"error":{"message":"\\ud83d"}}', {}),
    ],
    ids=lambda v: repr(v)[:40],
)
def test_an_error_is_found_in_every_form_of_body(body: Any, error: dict[str, Any]) -> None:
    assert refusals.parse(body if isinstance(body, bytes) else json.dumps(body).encode()) == error


@pytest.mark.parametrize(
    "status, body, code, message, kind",
    [
        (400, {"detail": "Store must be set to false"}, None, "Store must be set to false", "invalid_request_error"),
        (400, {"error": {"code": "cyber_policy", "type": "invalid_request", "message": "Flagged."}}, "cyber_policy", "Flagged.", "invalid_request"),
        (400, {"error": {"code": "context_length_exceeded", "message": "Too long."}}, "context_length_exceeded", "Too long.", "invalid_request_error"),
        (403, {"error": {"code": "unsupported_country_region_territory", "message": "No.", "type": "request_forbidden"}},
         "unsupported_country_region_territory", "No.", "request_forbidden"),
        (404, {"detail": "Not Found"}, None, "Not Found", "invalid_request_error"),
        (404, {"detail": "Item with id 'rs_1' not found."}, None, "Item with id 'rs_1' not found.", "invalid_request_error"),
        (500, {"error": {"message": "Oops."}}, None, "Oops.", "server_error"),
        (503, {"error": {"code": "server_is_overloaded", "message": "Busy."}}, "server_is_overloaded", "Busy.", "server_error"),
        (400, {"error": {"code": "c"}}, "c", "The backend refused the request with status 400.", "invalid_request_error"),
    ],
)  # fmt: skip
def test_an_error_in_json_keeps_its_status_and_message(
    status: int, body: Any, code: str | None, message: str, kind: str
) -> None:
    error = refusal(status, body)
    assert (error.status, error.code, error.message, error.kind) == (status, code, message, kind)


def test_what_else_an_error_says_is_kept() -> None:
    error = refusal(400, {"error": {"message": "m", "type": "t", "code": "c", "param": "input", "x": {"y": 1}}})
    assert json.loads(error.body()) == {
        "error": {"message": "m", "type": "t", "code": "c", "param": "input", "x": {"y": 1}}
    }


@pytest.mark.parametrize(
    "message",
    [
        "The 'gpt-4.1' model is not supported when using Codex with a ChatGPT account.",
        "The 'gpt-5.4-mini' model requires a newer version of Codex. Please upgrade to the latest app or CLI and try again.",
        "Model not found gpt-9",
    ],
)
def test_a_model_that_is_not_in_the_subscription_has_a_code(message: str) -> None:
    error = refusal(400, {"detail": message})
    assert (error.code, error.message) == ("model_not_found", message)


def test_a_refused_model_keeps_the_code_it_came_with() -> None:
    assert refusal(404, {"error": {"message": "Model not found", "code": "own"}}).code == "own"


LIMIT = {
    "type": "usage_limit_reached",
    "message": "The usage limit has been reached",
    "plan_type": "plus",
    "resets_at": int(NOW) + 600,
}


@pytest.mark.parametrize("status", [429, 404])
def test_a_usage_limit_tells_its_window_and_is_not_tried_again(status: int) -> None:
    headers = {
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": str(LIMIT["resets_at"]),
    }
    error = refusal(status, {"error": LIMIT}, headers)
    assert (error.status, error.code, error.kind) == (429, "usage_limit_reached", "usage_limit_reached")
    assert error.message.startswith("The 5-hour limit of the plan plus is reached. It resets ")
    assert "(10 minutes from now)" in error.message
    assert error.message.endswith("(The backend says: The usage limit has been reached.)")
    assert error.headers == {"x-should-retry": "false", "retry-after": "600"}


def test_a_usage_limit_keeps_what_the_official_client_reads() -> None:
    said = json.loads(refusal(429, {"error": LIMIT}).body())["error"]
    assert {key: said[key] for key in ("type", "plan_type", "resets_at")} == {
        key: LIMIT[key] for key in ("type", "plan_type", "resets_at")
    }


def test_a_usage_limit_without_a_time_names_no_wait() -> None:
    assert refusal(429, {"error": {"type": "usage_limit_reached"}}).headers == {"x-should-retry": "false"}


@pytest.mark.parametrize("said, told", [("Reached.", " (The backend says: Reached.)"), ("", ""), (None, "")])
def test_of_a_usage_limit_the_backends_own_words_are_told_where_there_are_any(said: str | None, told: str) -> None:
    message = refusal(429, {"error": {"type": "usage_limit_reached", "message": said}}).message
    assert message == f"The usage limit is reached; when it resets is not known.{told}"


def test_without_a_time_given_the_wait_is_counted_from_this_moment() -> None:
    far_off = json.dumps({"error": {"type": "usage_limit_reached", "resets_at": 10_000_000_000}}).encode()
    assert 10**9 < int(explain(429, {}, far_off).headers["retry-after"]) < 10**10 - NOW + 10**9


@pytest.mark.parametrize("status", [429, 404])
def test_a_plan_without_codex_is_told_so(status: int) -> None:
    error = refusal(status, {"error": {"type": "usage_not_included", "message": "No."}})
    assert (error.status, error.code, error.kind) == (429, "usage_not_included", "usage_not_included")
    assert error.headers == {"x-should-retry": "false"}
    assert "plan" in error.message


@pytest.mark.parametrize(
    "message, headers",
    [
        ("Rate limit reached. Please try again in 1.898s. Visit …", {"retry-after": "2"}),
        ("Please try again in 20s.", {"retry-after": "20"}),
        ("Please try again in 350ms.", {"retry-after": "1"}),
        ("Please try again in 1500 ms.", {"retry-after": "2"}),
        ("Please try again in 3 seconds.", {"retry-after": "3"}),
        ("Please try again in 0s.", {"retry-after": "1"}),
        ("Please try again in 6m0s.", {}),
        ("Please try again in ... s.", {}),
        ("Please try again later.", {}),
    ],
)
def test_a_rate_limit_names_its_wait_as_a_header(message: str, headers: dict[str, str]) -> None:
    error = refusal(429, {"error": {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": message}})
    assert (error.status, error.code, error.kind) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert error.headers == headers


def test_a_rate_limit_keeps_the_type_it_came_with() -> None:
    assert refusal(429, {"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "m"}}).kind == "tokens"


@pytest.mark.parametrize("status", [400, 403, 500])
def test_words_of_a_limit_under_another_status_are_no_limit(status: int) -> None:
    assert refusal(status, {"error": {"message": "usage_limit_reached"}}).status == status


@pytest.mark.parametrize(
    "status, body, code",
    [
        (402, {"detail": {"code": "deactivated_workspace"}}, "deactivated_workspace"),
        (403, {"detail": {"code": "deactivated_workspace"}}, "deactivated_workspace"),
        (402, {"detail": "Payment required"}, "deactivated_workspace"),
        (402, {"error": {"code": "own", "message": "Payment required"}}, "own"),
    ],
)
def test_a_deactivated_workspace_is_explained(status: int, body: Any, code: str) -> None:
    error = refusal(status, body)
    assert (error.status, error.code) == (status, code)
    assert "workspace" in error.message and error.message.endswith(" Run: it")


@pytest.mark.parametrize(
    "body, code",
    [
        ({"error": {"code": "token_expired", "message": "Expired."}, "status": 401}, "token_expired"),
        ({"error": {"code": "token_invalidated", "message": "Invalidated."}}, "token_invalidated"),
        ({"detail": "Unauthorized"}, "login_refused"),
    ],
)
def test_a_401_that_a_fresh_token_did_not_help_names_the_command(body: Any, code: str) -> None:
    error = refusal(401, body)
    assert (error.status, error.code, error.headers) == (401, code, {"x-should-retry": "false"})
    assert error.message.endswith(" Run: it")


def test_a_401_for_the_region_does_not_ask_to_log_in() -> None:
    message = "Workspace is not authorized in this region."
    error = refusal(401, {"error": {"message": message}, "status": 401})
    assert (error.status, error.code, error.message) == (401, "wrong_region", message)
    assert refusal(401, {"error": {"message": message, "code": "own"}}).code == "own"
    assert refusals.is_region(message) and not refusals.is_region("Unauthorized")


@pytest.mark.parametrize(
    "status, headers, challenged",
    [
        (403, {"content-type": "text/html; charset=UTF-8"}, True),
        (503, {"content-type": "text/html"}, True),
        (403, {"cf-mitigated": "challenge"}, True),
        (403, {"content-type": "application/json"}, False),
        (403, {}, False),
        (401, {"content-type": "text/html"}, False),
        (502, {"content-type": "text/html"}, False),
    ],
)
def test_cloudflares_page_is_known_by_status_and_headers(
    status: int, headers: dict[str, str], challenged: bool
) -> None:
    assert refusals.is_challenge(status, headers) is challenged
    assert (refusal(status, b"<html>Just a moment...</html>", headers).code == "cloudflare_challenge") is challenged


def test_cloudflares_page_is_explained_without_blaming_the_login() -> None:
    error = refusal(403, b"<html>", {"content-type": "text/html", "cf-ray": "8f-OSL"})
    assert "8f-OSL" in error.message and "codex login" not in error.message
    assert error.headers == {"x-should-retry": "false"}


@pytest.mark.parametrize(
    "body, headers, said",
    [
        (b"<html><body>Bad gateway", {}, "a web page"),
        (b"Bad gateway", {"content-type": "text/html"}, "a web page"),
        (b" upstream connect error ", {}, "upstream connect error"),
        (b"", {}, "nothing more"),
        (b"\xff\xfe", {}, "\ufffd"),
        (b"x" * 5000, {}, "x" * 200),
    ],
)
def test_an_answer_that_is_no_json_is_told_in_short(body: bytes, headers: dict[str, str], said: str) -> None:
    error = refusal(502, body, headers)
    assert (error.status, error.code) == (502, "backend_error")
    assert said in error.message and len(error.message) < 400


def test_no_token_in_such_an_answer_is_repeated() -> None:
    secret = secrets.token_hex(16)
    assert secret not in refusal(500, f"authorization: Bearer {secret}".encode()).message


@pytest.mark.parametrize(
    "status, body, refused",
    [
        (400, {"error": {"message": "The encrypted content …", "code": "invalid_encrypted_content"}}, True),
        (404, {"error": {"message": "The encrypted content …", "code": "invalid_encrypted_content"}}, False),
        (400, {"error": {"message": "invalid_encrypted_content", "code": None}}, False),
        (400, {"detail": "Store must be set to false"}, False),
    ],
)
def test_reasoning_of_another_account_is_known_by_its_code(status: int, body: Any, refused: bool) -> None:
    assert refusals.refuses_encrypted(status, json.dumps(body).encode()) is refused


@pytest.mark.parametrize(
    "error, status, code",
    [
        ({"code": "rate_limit_exceeded", "message": "m"}, 429, "rate_limit_exceeded"),
        ({"code": "insufficient_quota", "message": "m"}, 429, "insufficient_quota"),
        ({"type": "usage_limit_reached"}, 429, "usage_limit_reached"),
        ({"code": "usage_not_included"}, 403, "usage_not_included"),
        ({"code": "server_is_overloaded"}, 503, "server_is_overloaded"),
        ({"code": "slow_down"}, 503, "slow_down"),
        ({"code": "context_length_exceeded"}, 400, "context_length_exceeded"),
        ({"code": "invalid_prompt"}, 400, "invalid_prompt"),
        ({"code": "cyber_policy"}, 400, "cyber_policy"),
        ({"code": "bio_policy"}, 400, "bio_policy"),
        ({"code": "misalignment_policy_violation"}, 400, "misalignment_policy_violation"),
        ({"code": "something_new"}, 502, "something_new"),
        ({"code": None, "message": None}, 502, "response_failed"),
        ({}, 502, "response_failed"),
    ],
)
def test_a_failure_inside_a_stream_becomes_a_status(error: dict[str, Any], status: int, code: str) -> None:
    told = in_stream(error)
    assert (told.status, told.code) == (status, code)
    assert told.message == (error.get("message") or "The backend reported a failure without an explanation.")


def test_a_rate_limit_inside_a_stream_names_its_wait() -> None:
    assert in_stream({"code": "rate_limit_exceeded", "message": "try again in 2s"}).headers == {"retry-after": "2"}
    assert in_stream({"code": "slow_down", "message": "try again in 2s"}).headers == {}


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [
        ({"code": "usage_limit_reached", "resets_in_seconds": 90}, "90"),
        ({"code": "usage_limit_reached", "resets_at": NOW + 60}, "60"),
        ({"code": "usage_limit_reached"}, None),
        ({"type": "usage_limit_reached"}, None),
        ({"code": "insufficient_quota"}, None),
        ({"code": "usage_not_included"}, None),
        ({"code": "response_incomplete"}, None),
    ],
)
def test_what_would_only_fail_again_inside_a_stream_is_not_tried_again(
    error: dict[str, Any], retry_after: str | None
) -> None:
    wait = {} if retry_after is None else {"retry-after": retry_after}
    assert in_stream(error, NOW).headers == {"x-should-retry": "false", **wait}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ERRORS = st.dictionaries(
    st.sampled_from(["message", "type", "code", "param", "resets_at", "resets_in_seconds", "plan_type"]),
    JSON
    | st.sampled_from(["usage_limit_reached", "rate_limit_exceeded", "try again in 1..5 s", "deactivated_workspace"]),
)
BODIES = st.one_of(
    JSON, st.fixed_dictionaries({"error": ERRORS | JSON}), st.fixed_dictionaries({"detail": ERRORS | JSON})
).map(lambda body: json.dumps(body).encode()) | st.binary(max_size=30)  # fmt: skip


@given(st.sampled_from([400, 401, 402, 403, 404, 429, 500, 503]), BODIES)
@example(429, b'{"error":{"type":"usage_limit_reached","resets_at":1e30}}')
@example(400, b'{"error":{"message":"a\\ud83d"}}')
@examples(400)
def test_whatever_the_backend_says_the_client_gets_an_error_it_can_read(status: int, body: bytes) -> None:
    error = explain(status, {}, body, NOW)
    said = json.loads(error.body())["error"]
    assert 400 <= error.status < 600 and isinstance(said["message"], str) and said["message"]
    assert (said["message"], said["type"], said["code"]) == (error.message, error.kind, error.code)


@given(ERRORS)
@examples(200)
def test_whatever_a_failure_inside_a_stream_says_the_client_gets_an_error(error: dict[str, Any]) -> None:
    told = in_stream(error)
    said = json.loads(told.body())["error"]
    assert told.message and (said["message"], said["type"], said["code"]) == (told.message, told.kind, told.code)


def test_what_a_failure_says_as_an_event_is_not_told_as_an_error() -> None:
    event = {"type": "error", "code": "c", "message": "m", "param": "p", "sequence_number": 3, "plan_type": "plus"}
    assert json.loads(in_stream(event).body()) == {
        "error": {"message": "m", "type": "server_error", "param": None, "code": "c", "plan_type": "plus"}
    }


@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (204, {}, b"", "status 204 and an empty body"),
        (200, {"content-type": "application/json"}, b" ", "status 200 and an empty body"),
        (304, {}, b"", "status 304 and no body"),
        (302, {"location": "http://portal.example/login?to=sk-AbcAbcAbcAbcAbc1"}, b"", "a redirect to portal.example,"),
        (307, {"location": "/elsewhere"}, b"", "a redirect, "),
        (301, {"location": "http://[bad"}, b"", "a redirect, "),
        (303, {"location": "http://a\x1b[31m.example/"}, b"", "a redirect, "),
        (300, {}, b"{}", "a redirect, "),
        (200, {"content-type": "text/html; charset=utf-8"}, b"hello", "a web page"),
        (200, {}, b"\n <!doctype html>", "a web page"),
        (200, {"content-type": "text/plain"}, b"hello", "text that is not JSON: hello"),
        (200, {}, b"x" * 10_000_000, "text that is not JSON: xxx"),
        (200, {}, b"[1]", "text that is not JSON: [1]"),
        (200, {}, b"[" * 100_000, "text that is not JSON"),
        (206, {"content-type": "text/event-stream"}, b"data: {}", "status 206 and text that is not JSON"),
    ],
)
def test_what_is_no_answer_is_told(status: int, headers: dict[str, str], body: bytes, said: str) -> None:
    place = refusals.redirect_host(headers.get("location", ""))
    error = refusals.no_answer(status, headers, body, place=place)
    assert error is not None
    assert (error.status, error.code) == (502, "backend_error")
    assert said in error.message
    assert len(error.message) < 600


def test_an_answer_in_json_is_one_and_an_error_in_json_is_none() -> None:
    for body in (
        b'{"object":"response","error":{"message":"x"}}',
        b'{"output":[]}',
        b'{"models":[]}',
        b'{"x":1}',
        b"{}",
    ):
        assert refusals.no_answer(200, {}, body) is None
    error = refusals.no_answer(200, {}, b'{"error":{"code":"x","message":"No."}}')
    assert error is not None and (error.status, error.code, error.message) == (502, "x", "No.")


def test_an_upgrade_that_was_not_taken_is_told() -> None:
    error = refusals.no_answer(200, {}, b"{}", upgrade=True)
    assert error is not None and "no WebSocket" in error.message


@pytest.mark.parametrize(
    "body", [b'{"detail":"%s"}' % (b"x" * 1_000_000), b'{"error":{"message":"x","more":["%s"]}}' % (b"x" * 900_000)]
)
def test_the_texts_of_a_refusal_are_cut(body: bytes) -> None:
    error = refusals.explain(400, {}, body)
    assert len(error.body()) < 10_000
    assert error.message.startswith("x")


def test_a_refusal_of_any_length_is_told_in_short() -> None:
    for body in (b"bearer " * 1_000_000, b'{"detail":"%s"}' % (b"x" * 5_000_000), b'{"error":' + b"[" * 3_000_000):
        assert len(refusals.explain(400, {}, body).body()) < 1000
