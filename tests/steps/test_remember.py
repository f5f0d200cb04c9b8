import pytest

from codex_proxy.steps.memory import Memory
from codex_proxy.steps.remember import Remember

from .flows import asked, configure, finished

pytestmark = pytest.mark.usefixtures("context")

USER = {"type": "message", "role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("room", "believes", "items", "kept"),
    [
        ("1m", True, [USER], 1),
        ("1m", True, [USER, USER], 2),
        ("1m", True, [], 0),
        ("1m", False, [USER], None),
        ("0", True, [USER], None),
        ("0", False, [USER], None),
    ],
)
async def test_what_was_asked_is_kept_where_it_is_believed_to_be_stored(
    room: str, believes: bool, items: list[object], kept: int | None
) -> None:
    configure(memory := Memory(), codex_memory=room)
    flow, exchange = asked(body={"model": "gpt-6-sol", "input": items}, believes_stored=believes)
    await finished(Remember(memory).request(flow, exchange))
    assert (None if exchange.asked is None else len(exchange.asked)) == kept
