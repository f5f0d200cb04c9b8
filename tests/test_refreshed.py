import asyncio

import pytest

from codex_proxy.refreshed import Refreshed


class Source:
    """Answers as it is told, and counts how often it was asked."""

    def __init__(self, *answers: bool) -> None:
        self.answers, self.asked, self.now = [*answers], 0, 0.0
        self.kept = Refreshed(self.ask, life=100.0, rest=10.0, clock=lambda: self.now)

    async def ask(self) -> bool:
        self.asked += 1
        return self.answers.pop(0)

    async def renew(self) -> None:
        self.kept.renew()
        await self.kept.wait(5.0)


@pytest.mark.parametrize(
    ("answers", "moments", "asked"),
    [
        ([True], [0, 50, 99], 1),
        ([True, True], [0, 100], 2),
        ([False, True], [0, 9, 10], 2),
        ([False, False, True], [0, 10, 20, 119], 3),
    ],
)
async def test_it_is_asked_for_when_it_is_old_and_not_soon_after_a_failure(
    answers: list[bool], moments: list[float], asked: int
) -> None:
    source = Source(*answers)
    for source.now in moments:
        await source.renew()
    assert source.asked == asked


async def test_one_request_at_a_time() -> None:
    source = Source(True)
    first = source.kept.refresh()
    assert source.kept.refresh() is first
    await source.kept.wait(5.0)
    assert source.asked == 1 and not source.kept.is_old


async def test_what_has_not_changed_is_good_for_longer() -> None:
    source = Source(True)
    await source.renew()
    source.now = 99
    source.kept.still_good()
    source.now = 198
    assert not source.kept.is_old


async def test_the_end_waits_for_nothing() -> None:
    async def never() -> bool:
        await asyncio.Event().wait()
        return True

    kept = Refreshed(never, life=1.0, rest=1.0)
    task = kept.refresh()
    kept.close()
    await asyncio.wait({task})
    assert task.cancelled()
