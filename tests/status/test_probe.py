import json
from collections.abc import Mapping
from typing import Any

import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.models.dated_list import AS_OF
from codex_proxy.net.http_client import Answer
from codex_proxy.request import body_rules
from codex_proxy.status import probe
from codex_proxy.status.probe import Finding, Trial

MODEL = "gpt-6-sol"
TRIALS = {trial.name: trial for trial in probe.trials(MODEL)}


def answer(status: int, body: bytes | dict[str, Any] = b"", headers: Mapping[str, str] = {}) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, [(name.encode(), value.encode()) for name, value in headers.items()], data)


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


COMPLETED = {"type": "response.completed", "response": {"id": "r", "output": []}}
CREATED = {"type": "response.created", "response": {"id": "r"}}


# What is sent.


def test_the_usual_request_is_what_the_proxy_would_send() -> None:
    body = json.loads(probe.usual(MODEL))
    assert body["store"] is False and body["stream"] is True and body["instructions"] == ""
    assert body_rules.patch(probe.usual(MODEL), body_rules.PatchOptions()).changes == []


@pytest.mark.parametrize("field", sorted({*body_rules.REFUSED_FIELDS, *body_rules.MEANINGFUL, *body_rules.RULES}))
def test_each_field_of_the_rules_is_tried_with_a_value_of_its_kind(field: str) -> None:
    assert field in probe.SAMPLES
    assert [trial for trial in TRIALS.values() if field in json.loads(trial.body)]


def test_nothing_is_tried_that_no_rule_is_about() -> None:
    assert probe.SAMPLES.keys() == {*body_rules.REFUSED_FIELDS, *body_rules.MEANINGFUL, *body_rules.RULES}


@pytest.mark.parametrize("name", TRIALS)
def test_each_trial_breaks_one_rule(name: str) -> None:
    trial = TRIALS[name]
    try:
        changes = body_rules.patch(trial.body, body_rules.PatchOptions()).changes
    except ProxyError as e:
        assert e.code in ("not_supported", "previous_response_not_found")
        return
    assert len({change.field.partition(".")[0].partition("[")[0] for change in changes}) == 1, changes


@pytest.mark.parametrize(
    "name, expected",
    [
        ("temperature", "Unsupported parameter"),
        ("max_output_tokens", "Unsupported parameter"),
        ("previous_response_id", ""),
        ('service_tier "flex"', ""),
        ("store true", "Store must be set to false"),
        ("no store", "Store must be set to false"),
        ("stream false", "Stream must be set to true"),
        ("no instructions", "Instructions are required"),
        ("input as text", "Input must be a list"),
        ("a system message", "System messages are not allowed"),
    ],
)
def test_the_refusal_we_know_is_that_of_the_rules(name: str, expected: str) -> None:
    assert TRIALS[name].expected == expected


# What is made of the answers.


def test_a_field_that_is_added_to_the_rules_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(body_rules.REFUSED_FIELDS, "brand_new", "seen")
    (found,) = [trial for trial in probe.trials(MODEL) if trial.name == "brand_new"]
    assert json.loads(found.body)["brand_new"] == "probe" and found.expected == "Unsupported parameter"


@pytest.mark.parametrize(
    "expected, given, finding",
    [
        ("Unsupported parameter", answer(400, {"detail": "Unsupported parameter: x"}), ("as before", "still refused: Unsupported parameter: x")),
        ("", answer(400, {"error": {"message": "Invalid value"}}), ("as before", "still refused: Invalid value")),
        ("Unsupported", answer(400, {"detail": "No."}), ("changed", "refused with another text: No. (known: Unsupported)")),
        ("Unsupported", answer(422, {"detail": "Odd\n thing"}), ("changed", "refused with another text: Odd thing (known: Unsupported)")),
        ("Unsupported", answer(400, b""), ("changed", "refused with another text: nothing that could be read (0 bytes) (known: Unsupported)")),
        ("x", answer(200, stream(CREATED, COMPLETED)), ("changed", "accepted now")),
        ("x", answer(200, {"object": "response"}), ("changed", "accepted now")),
        ("x", answer(200, stream(CREATED, {"type": "error", "code": "c", "message": "Not so."})), ("changed", "accepted now, then failed: Not so.")),
        ("x", answer(500, {"error": {"message": "Sorry"}}), ("unknown", "status 500: Sorry")),
        ("x", answer(429, {"error": {"message": "The usage limit has been reached"}}), ("unknown", "status 429: The usage limit has been reached")),
    ],
)  # fmt: skip
def test_a_trial_is_judged(expected: str, given: Answer, finding: tuple[str, str]) -> None:
    verdict, text = finding
    assert probe.judge(Trial("x", b"", expected), given) == Finding(verdict, "x", text)  # type: ignore[arg-type]


def test_a_refusal_is_told_in_short() -> None:
    said = probe.message_of(answer(400, {"detail": "x" * 5000}))
    assert len(said) == probe.LONGEST


def verdicts(findings: list[Finding]) -> dict[str, str]:
    return {each.what: each.verdict for each in findings}


LISTED = {"models": [{"slug": "a"}, {"slug": "b", "visibility": "list"}, {"slug": "c", "visibility": "hide"}]}


def test_the_catalogue_is_told() -> None:
    models, findings = probe.catalogue(answer(200, LISTED, {"ETag": 'W/"1"'}), "1.2.3")
    assert models == ["a", "b"] and set(verdicts(findings).values()) == {"as before"}
    assert findings[0].text == "3 models, 2 of them to choose from" and "1.2.3" in findings[0].what


@pytest.mark.parametrize(
    "given, verdict",
    [
        (answer(200, {"models": []}), "changed"),
        (answer(200, {"data": []}), "unknown"),
        (answer(200, b"<html>"), "unknown"),
        (answer(200, {"models": "x"}), "unknown"),
        (answer(500, b""), "unknown"),
    ],
)
def test_a_catalogue_without_models_is_told(given: Answer, verdict: str) -> None:
    models, findings = probe.catalogue(given, "1.2.3")
    assert models == [] and [each.verdict for each in findings] == [verdict]


def test_a_catalogue_without_an_etag_is_told() -> None:
    assert verdicts(probe.catalogue(answer(200, LISTED), "1")[1])["its etag"] == "changed"


ABOVE = {"models": [*LISTED["models"], {"slug": "gpt-9", "minimal_client_version": "0.180.0"}, {"slug": "d"}]}


@pytest.mark.parametrize(
    "above, verdict, text",
    [
        (answer(200, ABOVE), "as before", "gpt-9 (from 0.180.0), d"),
        (answer(200, LISTED), "as before", "none that client_version 1.2.3 does not show"),
        (answer(200, {"models": []}), "as before", "none that client_version 1.2.3 does not show"),
        (answer(400, {"detail": "No."}), "unknown", "status 400: No."),
        (answer(200, b"<html>"), "unknown", "status 200: nothing that could be read (6 bytes)"),
    ],
)
def test_what_a_newer_version_would_show_is_told(above: Answer, verdict: str, text: str) -> None:
    assert probe.newer(answer(200, LISTED), above, "1.2.3") == (verdict, "models for newer versions", text)


@pytest.mark.parametrize(
    "given, told",
    [
        (answer(200, {"models": [{"slug": "gpt-9", "minimal_client_version": "0.180.0"}, {"slug": "gpt-6-sol"}]}), "gpt-9 (from 0.180.0)"),
        (answer(200, {"models": [{"slug": "gpt-6-sol"}]}), None),
        (answer(500, b""), None),
    ],
)  # fmt: skip
def test_models_that_are_not_in_the_dated_list_are_told(given: Answer, told: str | None) -> None:
    found = [("as before", f"models not in the list of {AS_OF}", told)] if told else []
    assert probe.unlisted(given) == found


USAGE = {"rate_limit": {"primary_window": {"used_percent": 1, "limit_window_seconds": 18000}}}


@pytest.mark.parametrize(
    "given, verdict",
    [
        (answer(200, USAGE), "as before"),
        (answer(200, {}), "changed"),
        (answer(404), "changed"),
        (answer(500), "unknown"),
    ],
)
def test_the_usage_document_is_told(given: Answer, verdict: str) -> None:
    assert probe.usage_document(given, 0).verdict == verdict


GOOD = {
    "content-type": "text/event-stream; charset=utf-8",
    "X-Models-Etag": "e",
    "openai-model": MODEL,
    "x-codex-primary-used-percent": "5",
    "x-codex-primary-window-minutes": "300",
}


@pytest.mark.parametrize(
    "headers, events, changed",
    [
        ({}, [CREATED, COMPLETED], []),
        ({"content-type": "application/json"}, [COMPLETED], ["content-type"]),
        ({"x-codex-primary-used-percent": ""}, [COMPLETED], ["rate-limit headers"]),
        ({"X-Models-Etag": "other"}, [COMPLETED], ["x-models-etag"]),
        ({"X-Models-Etag": ""}, [COMPLETED], ["x-models-etag"]),
        ({"openai-model": "gpt-5"}, [COMPLETED], ["openai-model"]),
        ({}, [COMPLETED | {"type": "response.done"}], ["the last event"]),
        ({}, [COMPLETED | {"response": {"output": [{}]}}], ["completed.output"]),
    ],
)
def test_what_changed_in_an_answer_is_told(
    headers: dict[str, str], events: list[dict[str, Any]], changed: list[str]
) -> None:
    findings = probe.turn(answer(200, stream(*events), GOOD | headers), MODEL, "e")
    assert [each.what for each in findings if each.verdict == "changed"] == changed
    assert probe.drifted(findings) == bool(changed)


def test_an_answer_that_fails_says_nothing_of_its_output() -> None:
    failed = {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "Sorry"}}}
    told = verdicts(probe.turn(answer(200, stream(CREATED, failed), GOOD), MODEL, "e"))
    assert told["the answer"] == "unknown" and "completed.output" not in told


@pytest.mark.parametrize("status, verdict", [(400, "changed"), (429, "unknown"), (500, "unknown")])
def test_a_usual_request_that_is_refused_is_told(status: int, verdict: str) -> None:
    assert probe.turn(answer(status, {"detail": "No."}), MODEL, "e") == [
        Finding(verdict, "the usual request", f"status {status}: No.")  # type: ignore[arg-type]
    ]


def test_events_are_counted() -> None:
    delta = {"type": "response.output_text.delta", "delta": "x"}
    body = b": a comment\n\ndata: [DONE]\n\n" + stream(CREATED, delta, delta, COMPLETED)
    told = {each.what: each.text for each in probe.ending(body)}
    assert told["events"] == "response.created, response.output_text.delta (x2), response.completed"
