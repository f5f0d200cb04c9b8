from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons.modifyheaders import ModifyHeaders
from mitmproxy.proxy.layers.http._hooks import HttpResponseHook
from mitmproxy.test import taddons, tflow

from codex_proxy.layers.hearing import tell_addons


class Hears:
    def __init__(self, name: str, heard: list[str], *, halts: bool = False) -> None:
        self.name, self.heard, self.halts = name, heard, halts

    def response(self, flow: Any) -> None:
        self.heard.append(self.name)
        if self.halts:
            raise exceptions.AddonHalt

    async def update(self, flows: Any) -> None:
        self.heard.append(f"{self.name} update")


class Holds:
    """As mitmproxy's loader of scripts: the addons in it come and go."""

    def __init__(self) -> None:
        self.addons: list[Any] = []


class Unheard(ModifyHeaders):
    """One of mitmproxy's own that is for other uses."""

    def response(self, flow: Any) -> None:
        raise AssertionError


Unheard.__module__, Unheard.__name__ = ModifyHeaders.__module__, ModifyHeaders.__name__


async def tell(manager: AddonManager) -> None:
    await tell_addons(manager, HttpResponseHook(tflow.tflow(resp=True)))


@pytest.fixture
def manager() -> AddonManager:
    with taddons.context() as context:
        return AddonManager(context.master)


async def test_all_hear_in_their_order_but_those_for_other_uses(manager: AddonManager) -> None:
    heard: list[str] = []
    manager.chain[:] = [object(), Hears("a", heard), Unheard(), Hears("b", heard)]
    await tell(manager)
    assert heard == ["a", "b", "a update", "b update"]


async def test_one_that_halts_ends_a_hook_for_those_behind_it(manager: AddonManager) -> None:
    heard: list[str] = []
    manager.chain[:] = [Hears("a", heard, halts=True), Hears("b", heard)]
    await tell(manager)
    assert heard == ["a", "a update", "b update"]


async def test_addons_that_come_and_go_are_heeded(manager: AddonManager) -> None:
    heard: list[str] = []
    holds = Holds()
    manager.chain[:] = [holds]
    await tell(manager)
    holds.addons.append(Hears("in a script", heard))
    await tell(manager)
    manager.chain.append(Hears("late", heard))
    await tell(manager)
    del manager.chain[0]
    await tell(manager)
    assert [each for each in heard if "update" not in each] == ["in a script", "in a script", "late", "late"]
