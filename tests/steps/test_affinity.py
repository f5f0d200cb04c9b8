import uuid

import pytest

from codex_proxy.steps.affinity import Affinity

from .flows import asked, configured

pytestmark = pytest.mark.usefixtures("context")

KEY, LONG = "a-key", "ключ"


@pytest.mark.parametrize(
    ("key", "headers", "is_on", "session"),
    [
        ("", [], True, None),
        (KEY, [], True, KEY),
        (KEY, [], False, None),
        (KEY, [("session-id", "theirs")], True, "theirs"),
        (KEY, [("session_id", "theirs")], True, None),
        (KEY, [("conversation_id", "theirs")], True, None),
        (KEY, [("x-session-id", "theirs")], True, KEY),
    ],
)
def test_a_conversation_without_a_session_gets_one(
    key: str, headers: list[tuple[str, str]], is_on: bool, session: str | None
) -> None:
    flow, exchange = asked(headers=headers, cache_key=key)
    configured(codex_affinity=is_on)
    Affinity().request(flow, exchange)
    assert flow.request.headers.get("session-id") == session
    assert [change.field for change in exchange.header_changes] == (["session-id"] if session == KEY else [])


def test_a_key_that_no_header_can_say_becomes_one_that_stays_the_same() -> None:
    seen = set()
    for _ in range(2):
        flow, exchange = asked(cache_key=LONG)
        Affinity().request(flow, exchange)
        seen.add(flow.request.headers["session-id"])
    (session,) = seen
    assert str(uuid.UUID(session)) == session
