import re
import secrets
import time
from collections.abc import Callable

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.output.redact import HIDDEN, REQUEST_HEADERS, query, redact, short, values

from ..properties import examples

WORDS = st.text(st.characters(codec="utf-8"), max_size=20)


def made_up_jwt() -> str:
    return jwt.encode({"exp": int(time.time()) + 60, "sub": secrets.token_hex(8)}, secrets.token_hex(32))


def opaque(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


@pytest.mark.parametrize(
    "secret",
    [
        made_up_jwt,
        lambda: made_up_jwt().rpartition(".")[0] + ".",
        lambda: opaque("sk-"),
        lambda: opaque("sk-proj-"),
        lambda: opaque("sess-"),
        lambda: opaque("rt_"),
        lambda: opaque("rt-"),
        lambda: opaque("at-"),
    ],
    ids=["jwt", "jwt without signature", "platform key", "project key", "session key", "rt_", "rt-", "at-"],
)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "Token {}, please",
        '"{}"',
        "https://host/?token={}&a=b",
        "a\n{}\nb",
        "({})",
        '{{"a": "b\\n{}"}}',
        "Bearer%20{}",
    ],
)
def test_a_token_is_hidden_wherever_it_stands(secret: Callable[[], str], around: str) -> None:
    token = secret()
    hidden = redact(around.format(token))
    assert token not in hidden and token[8:24] not in hidden
    assert HIDDEN in hidden


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Basic", "basic"])
def test_the_value_of_an_authorization_is_hidden_whatever_its_form(scheme: str) -> None:
    secret = secrets.token_hex(12)
    assert redact(f"authorization: {scheme} {secret}") == f"authorization: {scheme} {HIDDEN}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The backend can't be reached.",
        "Item with id 'rs_5b84109fd10c41b6bea22169d9895559' not found.",
        "call_4969b2ddd5cb4c5cb249f2bb",
        "risk-assessment of the start-up",
        "bearer",
        "Unsupported parameter: max_output_tokens",
    ],
)
def test_words_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


@given(WORDS, WORDS)
@examples(100)
def test_no_text_around_it_lets_a_jwt_through(before: str, after: str) -> None:
    token = made_up_jwt()
    assert token.split(".")[1] not in redact(f"{before} {token} {after}")


@given(st.text(max_size=60))
@examples(100)
def test_what_is_redacted_stays_so(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_the_headers_with_credentials_are_named_in_lower_case() -> None:
    assert {"authorization", "cookie", "x-api-key", "api-key", "chatgpt-account-id"} <= REQUEST_HEADERS
    assert {name.lower() for name in REQUEST_HEADERS} == REQUEST_HEADERS


@pytest.mark.parametrize(
    "path, shown",
    [
        ("/responses", "/responses"),
        ("/responses?", "/responses?"),
        ("/models?client_version=1.2.3", "/models?client_version=1.2.3"),
        (
            "/models?api_key=mine&client_version=1.2.3&key=",
            f"/models?api_key={HIDDEN}&client_version=1.2.3&key={HIDDEN}",
        ),
        ("/models?mine", "/models?mine"),
        ("/responses?api-version=1&stream=true", "/responses?api-version=1&stream=true"),
        ("/models?a=b=c", f"/models?a={HIDDEN}"),
        ("/models?Stream=mine", f"/models?Stream={HIDDEN}"),
        ("/models?stream=true;key=mine", f"/models?stream={HIDDEN}"),
        (f"/sk-{32 * '0'}/v1/models", f"/{HIDDEN}/v1/models"),
        (f"/models?sk-{32 * '0'}", f"/models?{HIDDEN}"),
        (f"/models?stream=sk-{32 * '0'}", f"/models?stream={HIDDEN}"),
    ],
)
def test_of_a_query_only_harmless_values_are_shown(path: str, shown: str) -> None:
    assert query(path) == shown


@pytest.mark.parametrize("text", ["basic information", "a bearer certificate", "basic understanding of it"])
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("beginning", ["eyJ", "sk-", "bearer ", "at_"])
def test_a_text_of_many_beginnings_is_looked_at_in_passing(beginning: str) -> None:
    # A square of this would take minutes.
    assert redact(beginning * 300_000)


def test_tokens_are_taken_out_of_all_texts_of_a_value() -> None:
    token = "sk-" + "Ab1" * 12
    value = {"a": [f"x {token}", 1, None, True, 1.5], token: {"b": "plain"}}
    assert values(value) == {"a": [f"x {HIDDEN}", 1, None, True, 1.5], HIDDEN: {"b": "plain"}}


@pytest.mark.parametrize(
    ("text", "length", "shown"),
    [
        ("some words", 20, "some words"),
        ("some words", 10, "some words"),
        ("some more words", 11, "some more …"),
        ("word " + "sk-" + "Ab1" * 12, 60, f"word {HIDDEN}"),
        ("word " + "sk-" + "Ab1" * 12, 12, "word …"),
        ("word eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQ.x", 40, "word …"),
        ("a" * 1000, 10, "…"),
        ("", 10, ""),
    ],
)
def test_a_text_is_cut_before_it_is_looked_through(text: str, length: int, shown: str) -> None:
    assert short(text, length) == shown


def test_half_a_token_at_the_cut_does_not_show() -> None:
    text = "words bearer Abcdefgh1 sk-" + "Ab1" * 12
    assert [cut for cut in range(len(text)) if re.search("Ab1|Abc", short(text, cut))] == []
