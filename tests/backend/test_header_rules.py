import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.backend.header_rules import SET, changed, downward, is_codex, is_lite, upward
from codex_proxy.changes import Change
from codex_proxy.message import field_values
from codex_proxy.output import redact
from codex_proxy.output.known_secrets import KnownSecrets

from ..properties import examples

OURS = {"originator": "nanobot-proxy", "User-Agent": "nanobot-proxy/1", "Accept": "text/event-stream"}
CODEX = {"originator": "codex_exec", "user-agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm"}


def up(client: dict[str, str]) -> dict[str, str]:
    return {name.decode().lower(): value.decode("latin-1") for name, value in upward(client, OURS)}


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "x-api-key", "api-key", "cookie", "openai-organization", "openai-project", "openai-beta",
        "chatgpt-account-id", "x-stainless-lang", "x-stainless-retry-count", "x-forwarded-for", "forwarded", "via",
        "x-real-ip", "x-nanobot-internal-request-type", "accept-encoding", "connection", "host", "te", "x-openai-fedramp",
        "version", "x-codex-turn-metadata", "x-codex-something-new", "x-openai-internal-codex-responses-lite", "something-new",
        "openai-conversation-id",
    ],
)  # fmt: skip
def test_what_a_client_brought_for_itself_stays_here(name: str) -> None:
    assert up({name: "x"}) == up({})


@pytest.mark.parametrize(
    "name",
    [
        "content-type", "content-encoding", "content-length", "transfer-encoding", "session_id", "conversation_id",
        "session-id", "thread-id", "x-client-request-id", "x-codex-turn-state",
    ],
)  # fmt: skip
def test_what_belongs_to_the_request_or_the_conversation_goes_up(name: str) -> None:
    assert up({name.title(): "x"}) == up({}) | {name: "x"}


@pytest.mark.parametrize(
    "name",
    [
        "version", "x-codex-turn-metadata", "x-codex-window-id", "x-codex-beta-features", "x-codex-routing-hint",
        "x-codex-something-new", "x-codex-installation-id", "x-codex-parent-thread-id",
        "x-openai-subagent", "x-openai-internal-codex-responses-lite", "x-openai-internal-codex-residency",
        "session_id", "conversation_id", "session-id", "thread-id", "x-client-request-id", "x-codex-turn-state",
    ],
)  # fmt: skip
def test_the_official_codex_keeps_its_own_headers(name: str) -> None:
    assert up({**CODEX, name: "x"})[name] == "x"


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "cookie", "chatgpt-account-id", "openai-organization"])
def test_even_the_official_codex_does_not_send_its_credentials(name: str) -> None:
    assert name not in up({**CODEX, name: "x"})


def test_the_official_codex_is_told_by_its_own_name() -> None:
    sent = up(CODEX)
    assert (sent["originator"], sent["user-agent"]) == (CODEX["originator"], CODEX["user-agent"])


def test_any_other_client_goes_by_our_name() -> None:
    sent = up({"originator": "my-tool", "user-agent": "OpenAI/Python 3"})
    assert (sent["originator"], sent["user-agent"]) == ("nanobot-proxy", "nanobot-proxy/1")


@pytest.mark.parametrize(
    "originator, user_agent, official",
    [
        ("codex_cli_rs", "codex_cli_rs/0.125.0 (Mac OS 26.3.0; arm64)", True),
        ("codex_exec", "codex_exec/0.169.0 (Debian)", True),
        ("codex-tui", "codex-tui/0.144.0", True),
        ("codex_vscode", "codex_vscode/1", True),
        ("Codex Desktop", "Codex Desktop/1", True),
        ("codex_cli_rs", "Go-http-client/1.1", False),
        ("codex_cli_rs", "", False),
        ("nanobot", "nanobot/1", False),
        ("codexlike", "codexlike/1", False),
        ("", "codex_cli_rs/0.125.0", False),
    ],
)
def test_the_official_codex_is_known_by_both_its_names(originator: str, user_agent: str, official: bool) -> None:
    assert is_codex({"originator": originator, "user-agent": user_agent}) is official


def test_without_any_name_it_is_not_the_official_codex() -> None:
    assert not is_codex({})


@pytest.mark.parametrize("value, lite", [("true", True), ("True", True), ("false", False), ("", False), ("1", False)])
def test_the_lite_form_is_told_by_its_header(value: str, lite: bool) -> None:
    assert is_lite({"x-openai-internal-codex-responses-lite": value}) is lite


def test_without_the_header_it_is_not_the_lite_form() -> None:
    assert not is_lite({})


NAMES = st.sampled_from(
    ["Originator", "User-Agent", "ACCEPT", "Content-Type", "Session-ID", "Authorization", "X-Other", "version"]
)


@given(st.dictionaries(NAMES.map(str.lower), st.text(st.characters(max_codepoint=255), max_size=8)), st.booleans())
@examples(100)
def test_each_header_goes_up_exactly_once(client: dict[str, str], official: bool) -> None:
    names = [name.lower() for name, _ in upward(client | (CODEX if official else {}), OURS)]
    assert len(names) == len(set(names))
    assert {b"originator", b"user-agent", b"accept"} <= set(names)


def test_a_value_outside_latin_1_does_not_stop_the_request() -> None:
    assert (b"session_id", b"?") in upward({"session_id": "后"}, OURS)


@pytest.mark.parametrize(
    "name", ["Set-Cookie", "alt-svc", "Connection", "keep-alive", "Strict-Transport-Security", "NEL", "report-to"]
)
def test_what_is_the_backends_own_does_not_come_down(name: str) -> None:
    assert downward([(name.encode(), b"x"), (b"x-request-id", b"1")]) == [(b"x-request-id", b"1")]


def test_everything_else_comes_down_as_it_is() -> None:
    fields = [
        (b"X-Codex-Primary-Used-Percent", b"12.5"),
        (b"openai-model", b"gpt-6-sol"),
        (b"X-Odd", b"\xff"),
        (b"x-codex-turn-state", b"s"),
        (b"vary", b"a"),
        (b"vary", b"b"),
    ]
    assert downward(fields) == fields


@pytest.mark.parametrize(
    "name",
    [
        "x-oai-is-update", "X-OAI-Anything", "x-openai-internal-codex-residency", "openai-internal-route", "x-internal-id",
        "x-envoy-upstream-service-time", "openai-organization", "openai-project", "chatgpt-account-id", "authorization",
        "cookie", "Proxy-Authorization", "set-cookie2",
    ],
)  # fmt: skip
def test_what_is_between_the_backends_machines_or_names_the_account_stays_here(name: str) -> None:
    assert downward([(name.encode(), b"x"), (b"x-oai-request-id", b"1")]) == [(b"x-oai-request-id", b"1")]


def test_a_secret_that_a_header_repeats_does_not_come_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "KNOWN", KnownSecrets())
    redact.KNOWN.know("account", account := secrets.token_hex(8))
    shown = redact.HIDDEN.encode()
    assert downward([(b"x-debug", f"for {account}.\xe9".encode("latin-1"))]) == [
        (b"x-debug", b"for " + shown + b".\xe9")
    ]


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=4))
@examples(200)
def test_whatever_comes_down_is_header_lines(fields: list[tuple[bytes, bytes]]) -> None:
    assert field_values.malformed(downward(fields)) is None


def test_more_names_can_be_kept_from_coming_down() -> None:
    assert downward([(b"Content-Length", b"1"), (b"a", b"b")], ["content-length"]) == [(b"a", b"b")]


@pytest.mark.parametrize(
    "client, sent, told",
    [
        ([], [], []),
        ([["Content-Type", "a"]], [(b"content-type", b"a")], []),
        ([["User-Agent", "a"]], [(b"User-Agent", b"b")], [Change("user-agent", "a → b", SET["user-agent"])]),
        ([], [(b"Originator", b"o")], [Change("originator", "set: o", SET["originator"])]),
        ([["session_id", "a"], ["session_id", "b"]], [(b"session_id", b"a")], [Change("session_id", "b → a", "each header goes up once")]),
        ([["Authorization", "x"]], [], [Change("authorization", "taken off", "the client's own key; the login's token is sent instead")]),
        ([["X-Stainless-Lang", "x"]], [], [Change("x-stainless-lang", "taken off", "telemetry of the SDK")]),
        ([["X-Api-Key", "x"]], [], [Change("x-api-key", "taken off", "the client's own key")]),
        ([["Api-Key", "x"]], [], [Change("api-key", "taken off", "the client's own key")]),
        ([["Cookie", "x"]], [], [Change("cookie", "taken off", "the client's own; the backend gets only Cloudflare's, which it set itself")]),
        ([["OpenAI-Project", "x"]], [], [Change("openai-project", "taken off", "only for API keys")]),
        ([["OpenAI-Organization", "x"]], [], [Change("openai-organization", "taken off", "only for API keys")]),
        ([["X-Nanobot-A", "x"]], [], [Change("x-nanobot-a", "taken off", "for nanobot only")]),
        ([["X-Forwarded-For", "x"]], [], [Change("x-forwarded-for", "taken off", "reveals where the client is")]),
        ([["Forwarded", "x"]], [], [Change("forwarded", "taken off", "reveals where the client is")]),
        ([["Version", "x"]], [], [Change("version", "taken off", "a minimum-version check meant for the official Codex only")]),
        ([["X-Other", "x"]], [], [Change("x-other", "taken off", "nothing that the backend needs")]),
        (
            [["OpenAI-Conversation-Id", "x"]],
            [],
            [
                Change(
                    "openai-conversation-id",
                    "taken off",
                    "OpenAI's platform names conversations so, this backend by session-id and prompt_cache_key",
                )
            ],
        ),
        ([["Host", "a"], ["Content-Length", "1"], ["Connection", "x"], ["Transfer-Encoding", "x"]], [(b"Host", b"b"), (b"Content-Length", b"2"), (b"Expect", b"x")], []),
    ],
)  # fmt: skip
def test_what_became_of_a_clients_headers_is_told(
    client: list[list[str]], sent: list[tuple[bytes, bytes]], told: list[Change]
) -> None:
    assert changed(client, sent) == told
