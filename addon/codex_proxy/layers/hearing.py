"""Which addons hear of our connections: those of mitmproxy's that are not for other uses (mitmproxy_options.py), and all others.

mitmproxy asks each of its some forty addons at each hook whether it has a method for it (addonmanager.py); here that is known.
"""

from typing import Any

from mitmproxy import exceptions, flow, hooks
from mitmproxy.addonmanager import AddonManager, safecall

from .. import mitmproxy_options


class _Listeners:
    """The addons of a chain that may have a method for a hook, in their order."""

    def __init__(self) -> None:
        self._chain: list[Any] = []
        self._by_hook: dict[str, list[Any]] = {}

    def of(self, chain: list[Any], hook: str) -> list[Any]:
        if chain != self._chain:
            self._chain, self._by_hook = list(chain), {}
        if (found := self._by_hook.get(hook)) is None:
            found = self._by_hook[hook] = [addon for addon in chain if _may_hear(addon, hook)]
        return found


def _may_hear(addon: Any, hook: str) -> bool:
    kind = type(addon)
    if kind.__module__.startswith("mitmproxy.addons.") and not mitmproxy_options.is_heard(kind.__name__, hook):
        return False
    # What one with addons of its own has in them may change, as when a script is loaded again.
    return hasattr(addon, "addons") or hasattr(addon, hook)


_listeners = _Listeners()


async def tell_addons(addons: AddonManager, hook: hooks.Hook) -> None:
    """`AddonManager.handle_lifecycle`, past the addons that do not hear of our connections."""
    (data,) = hook.args()
    is_flow = isinstance(data, flow.Flow)
    for one in (hook, hooks.UpdateHook([data])) if is_flow else (hook,):
        for addon in _listeners.of(addons.chain, one.name):
            try:
                with safecall():
                    await addons.invoke_addon(addon, one)
            except exceptions.AddonHalt:
                break
    if is_flow:
        await data.wait_for_resume()
