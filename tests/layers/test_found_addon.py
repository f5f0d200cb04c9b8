import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.view import View
from mitmproxy.test import taddons

from codex_proxy.layers.found_addon import found, proxyserver


class Proxyserver2(Proxyserver):
    """A class of another name."""


def _named(name: str) -> object:
    return type(name, (), {})()


@pytest.mark.parametrize(
    ("addon", "is_found"),
    [
        (Proxyserver(), True),
        (Proxyserver2(), False),  # mitmproxy knows it by another name
        (_named("Proxyserver"), False),  # of this name, and another class
        (View(), False),
        (None, False),
    ],
)
def test_an_addon_is_found_by_its_class(addon: object, is_found: bool) -> None:
    with taddons.context(*[addon] if addon else [], loadcore=False):
        assert proxyserver() is (addon if is_found else None)
        assert found(Proxyserver) is proxyserver()


def test_each_class_is_its_own() -> None:
    with taddons.context(server := Proxyserver(), view := View(), loadcore=False):
        assert (found(Proxyserver), found(View)) == (server, view)
