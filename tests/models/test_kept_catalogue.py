import asyncio
import logging

import pytest

from codex_proxy.errors import LoginError
from codex_proxy.models.catalogue import UNKNOWN, Catalogue, Model
from codex_proxy.models.kept_catalogue import LIFE, REST, KeptCatalogue

FIRST = Catalogue({"a": Model("a")}, "one")
SECOND = Catalogue({"b": Model("b")}, "two")


class Backend:
    """Gives what it is told to, and counts how often it was asked; its clock stands still until it is put on."""

    def __init__(self) -> None:
        self.gives: Catalogue | Exception = FIRST
        self.asked = 0
        self.now = 1000.0
        self.open = asyncio.Event()
        self.open.set()
        self.kept = KeptCatalogue(self.ask, lambda: self.now)

    async def ask(self) -> Catalogue:
        self.asked += 1
        await self.open.wait()
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives

    async def settled(self) -> None:
        await self.kept.refresh()


async def test_it_is_asked_for_once_in_five_minutes() -> None:
    backend = Backend()
    for _ in range(3):
        assert await backend.kept.fresh(5) is FIRST
    backend.now += LIFE - 1
    assert (await backend.kept.fresh(5), backend.asked) == (FIRST, 1)
    backend.now += 1
    backend.gives = SECOND
    assert (await backend.kept.fresh(5), backend.asked) == (SECOND, 2)


async def test_many_that_ask_at_once_are_one_request() -> None:
    backend = Backend()
    assert await asyncio.gather(*(backend.kept.fresh(5) for _ in range(20))) == [FIRST] * 20
    assert backend.asked == 1


async def test_an_old_one_is_renewed_in_the_background() -> None:
    backend = Backend()
    await backend.kept.fresh(5)
    backend.now += LIFE
    backend.gives = SECOND
    backend.kept.renew()
    assert backend.kept.catalogue is FIRST
    backend.kept.renew()
    await backend.settled()
    assert (backend.kept.catalogue, backend.asked) == (SECOND, 2)


async def test_who_waits_waits_no_longer_than_it_says_and_what_comes_later_is_kept() -> None:
    backend = Backend()
    backend.open.clear()
    assert await backend.kept.fresh(0.01) == UNKNOWN
    assert await backend.kept.fresh(0.01) == UNKNOWN
    backend.open.set()
    assert await backend.kept.fresh(5) is FIRST
    assert backend.asked == 1


async def test_the_same_mark_on_a_turns_answer_renews_its_life() -> None:
    backend = Backend()
    await backend.kept.fresh(5)
    for _ in range(5):
        backend.now += LIFE - 1
        backend.kept.heard("one")
        assert not backend.kept.is_old
    await backend.kept.fresh(5)
    assert backend.asked == 1


async def test_another_mark_has_it_asked_for_once() -> None:
    backend = Backend()
    await backend.kept.fresh(5)
    backend.gives = SECOND
    backend.kept.heard("two")
    backend.kept.heard("two")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (backend.kept.catalogue, backend.asked) == (SECOND, 2)
    # A client with a version of its own has a mark of its own, which this list never gets.
    for _ in range(3):
        backend.kept.heard("other")
        await asyncio.sleep(0.001)
    assert backend.asked == 3


async def test_marks_say_nothing_while_nobody_has_needed_it() -> None:
    backend = Backend()
    backend.kept.heard("one")
    backend.kept.heard("")
    await asyncio.sleep(0)
    assert backend.asked == 0


@pytest.mark.parametrize(
    "trouble", [LoginError("login_missing", "No login."), OSError("gone"), ValueError("odd"), UNKNOWN]
)
async def test_the_last_good_one_serves_while_none_can_be_had(
    trouble: Catalogue | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    backend = Backend()
    await backend.kept.fresh(5)
    backend.now += LIFE
    backend.gives = trouble
    assert await backend.kept.fresh(5) is FIRST
    assert backend.kept.is_old and backend.kept.error and backend.kept.error.status in (401, 502)
    # Not asked again at once, nor told twice.
    assert (await backend.kept.fresh(5), backend.asked) == (FIRST, 2)
    backend.now += REST
    assert (await backend.kept.fresh(5), backend.asked) == (FIRST, 3)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "stays in use" in caplog.text

    backend.now += REST
    backend.gives = SECOND
    assert await backend.kept.fresh(5) is SECOND
    assert backend.kept.error is None and caplog.records[-1].message == "The list of models can be fetched again."


async def test_who_insists_is_not_put_off() -> None:
    backend = Backend()
    backend.gives = OSError("gone")
    assert not await backend.kept.fresh(5)
    backend.gives = FIRST
    assert not await backend.kept.fresh(5)
    assert await backend.kept.fresh(5, insist=True) is FIRST


async def test_no_list_of_models_is_taken_for_a_good_one_when_it_is_empty() -> None:
    backend = Backend()
    backend.gives = UNKNOWN
    assert not await backend.kept.fresh(5)
    assert backend.kept.error and backend.kept.error.code == "no_models"


async def test_at_the_end_nothing_goes_on() -> None:
    backend = Backend()
    backend.open.clear()
    asking = backend.kept.refresh()
    await asyncio.sleep(0)
    backend.kept.close()
    await asyncio.wait({asking}, timeout=5)
    assert asking.cancelled()
