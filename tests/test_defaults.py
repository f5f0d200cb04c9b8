from mitmproxy.test import taddons

from codex_proxy import defaults

from .places import ADDON

SCRIPT = ADDON / "codex.py"


async def test_the_proxy_and_the_scripts_go_to_the_same_places() -> None:
    with taddons.context() as loaded:
        loaded.script(str(SCRIPT))
        assert loaded.options.default("codex_upstream") == defaults.UPSTREAM
        assert loaded.options.default("codex_issuer") == defaults.ISSUER
        assert loaded.options.default("codex_client_version") == defaults.CLIENT_VERSION
        assert loaded.options.default("codex_originator") == defaults.ORIGINATOR
