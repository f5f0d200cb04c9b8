import pytest

from codex_proxy.outcome import Outcome
from codex_proxy.steps.refusal import sent, unforeseen
from codex_proxy.walk.exchange import Exchange
from codex_proxy.websocket.turns import TurnRecord

NOT_SENT, SENT = "nothing was sent to the backend", "the request was already on its way to the backend"


@pytest.mark.parametrize(
    "of, sentence",
    [
        (None, NOT_SENT),
        (Exchange(), NOT_SENT),
        (Exchange(refused="x"), NOT_SENT),
        (Exchange(sent_at=0.0), SENT),
        (Exchange(sent_at=1.0, refused="x"), SENT),
        (TurnRecord(), NOT_SENT),
        (TurnRecord(sent_at=0.0), SENT),
    ],
)
def test_what_is_said_of_the_sending_is_true(of: Outcome | None, sentence: str) -> None:
    assert sent(of) == sentence
    error = unforeseen("Here", ValueError("x"), of)
    assert error.status == 500 and f"(Here: ValueError); {sentence}." in error.message
