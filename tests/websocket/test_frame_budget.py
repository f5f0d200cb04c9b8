import pytest

from codex_proxy.websocket.frame_budget import BURST, BYTES, PER_SECOND, WHOLE, FrameBudget


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def number_taken(carried: int, is_whole: bool, every: float = 0.0, most: int = 100_000) -> int:
    clock = Clock()
    budget = FrameBudget(clock)
    for number in range(most):
        if not budget.spend(carried, is_whole):
            return number
        clock.now += every
    return most


FLOODS = [
    ("pings", 0, True, BURST // WHOLE),
    ("empty pieces", 0, False, BURST),
    ("pieces of a byte", 1, False, BURST + 1),
    ("short messages", 2, True, BURST // WHOLE),
]


@pytest.mark.parametrize(
    ("carried", "is_whole", "taken"), [flood[1:] for flood in FLOODS], ids=[flood[0] for flood in FLOODS]
)
def test_a_flood_is_cut_off(carried: int, is_whole: bool, taken: int) -> None:
    assert taken <= number_taken(carried, is_whole) <= taken + 2


@pytest.mark.parametrize(
    ("carried", "is_whole", "every"),
    [
        (0, True, 10.0),  # pings
        (0, True, WHOLE / PER_SECOND),
        (BYTES, False, 0.0),  # a long message in short pieces
        (1400, False, 0.0),  # as packets bring them
        (WHOLE * BYTES, True, 0.0),  # turn after turn
    ],
)
def test_who_has_something_to_say_is_never_cut_off(carried: int, is_whole: bool, every: float) -> None:
    assert number_taken(carried, is_whole, every, 5000) == 5000
