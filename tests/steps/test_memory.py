import msgspec
import pytest
from mitmproxy import exceptions

from codex_proxy.answer.repair import StreamRepairer
from codex_proxy.memory import store
from codex_proxy.steps.memory import Memory
from codex_proxy.walk.exchange import Exchange

from .flows import configure

pytestmark = pytest.mark.usefixtures("context")

ITEM = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
ANSWER = msgspec.json.encode({"id": "resp_1", "output": [ITEM]})
ASKED = msgspec.json.encode({"input": [{"type": "message", "role": "user", "content": "Hi"}]})


@pytest.mark.parametrize("text, room", [("0", 0), ("500k", 500 << 10), ("64m", 64 << 20), ("1g", 1 << 30), ("7", 7)])
def test_so_much_is_kept_as_the_option_says(text: str, room: int) -> None:
    memory = Memory()
    configure(memory, codex_memory=text)
    assert memory.store.room == room


@pytest.mark.parametrize("text", ["much", "1x", "m"])
def test_what_is_no_size_is_refused_and_the_old_one_stays(text: str) -> None:
    configure(memory := Memory(), codex_memory="1m")
    with pytest.raises(exceptions.OptionsError, match="codex_memory"):
        configure(memory, codex_memory=text)
    assert memory.store.room == 1 << 20


@pytest.mark.parametrize(
    ("ended", "is_wanted", "caller", "found"),
    [
        ("response.completed", True, "one", True),
        ("response.incomplete", True, "one", True),
        ("response.failed", True, "one", False),
        ("error", True, "one", False),
        ("", True, "one", False),
        ("response.completed", False, "one", False),
        ("response.completed", True, "another", False),
    ],
)
def test_an_answer_that_ended_well_is_there_for_its_caller(
    ended: str, is_wanted: bool, caller: str, found: bool
) -> None:
    configure(memory := Memory(), codex_memory="1m")
    exchange = Exchange(caller="one", asked=store.parts_of_request(ASKED) if is_wanted else None)
    memory.keeper(exchange)(StreamRepairer(ended=ended, response=ANSWER))
    assert (memory.store.conversation(caller, "resp_1") is not None) is found
    # The flow is kept by mitmproxy, and what was asked must not be with it.
    assert exchange.asked is None


def test_less_room_lets_go_of_what_is_kept() -> None:
    configure(memory := Memory(), codex_memory="1m")
    memory.keeper(Exchange(caller="one", asked=store.parts_of_request(ASKED)))(
        StreamRepairer(ended="response.completed", response=ANSWER)
    )
    configure(memory, codex_memory="0")
    assert memory.store.conversation("one", "resp_1") is None
