import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from mitmproxy.addons import default_addons
from mitmproxy.options import Options
from mitmproxy.tools.console.master import ConsoleMaster
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.web.master import WebMaster

from codex_proxy.mitmproxy_options import DECISIONS, UNHEARD, is_heard, remark, value

TOOLS = ("mitmdump", "mitmweb", "mitmproxy")

# Options of mitmproxy 12.3 that 12.2 does not have.
NEWER = {"emudhra", "emudhra_old", "web_theme"}

# Addons of mitmproxy's own that hear of our connections as of any: none of them changes what goes to the backend.
HEARD = {
    "Block", "BlockList", "Browser", "ClientPlayback", "CommandHistory", "Comment", "ConsoleAddon", "Core", "Cut", "DisableH2C",
    "DnsResolver", "Dumper", "ErrorCheck", "EventStore", "Export", "Intercept", "KeepServing", "KeymapConfig", "ProxyAuth", "Proxyserver",
    "ReadFile", "ReadFileStdin", "Save", "SaveHar", "ScriptLoader", "ServerPlayback", "StaticViewer", "StripDnsHttpsRecords",
    "TermLog", "View", "WebAddon", "WebAuth",
}  # fmt: skip


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """Each tool's options, asked of the tool."""
    found = {}
    for tool in TOOLS:
        said = subprocess.run(
            [Path(sys.executable).parent / tool, "--options"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
        found[tool] = {line.partition(":")[0] for line in said.splitlines() if line[:1].isalpha()}
    return found


@pytest.mark.parametrize("tool", TOOLS)
def test_each_option_of_mitmproxy_is_decided(tool: str, options: dict[str, set[str]]) -> None:
    assert len(options[tool]) > 80
    assert sorted(options[tool] - set(DECISIONS)) == []


def test_no_option_is_decided_that_mitmproxy_has_dropped(options: dict[str, set[str]]) -> None:
    assert sorted(set(DECISIONS) - set().union(*options.values()) - NEWER) == []


async def test_each_addon_of_mitmproxy_is_heard_or_not() -> None:
    masters = [DumpMaster(Options(), asyncio.get_running_loop()), WebMaster(Options()), ConsoleMaster(Options())]
    kinds = {type(addon).__name__ for master in masters for addon in master.addons.chain}
    assert {type(addon).__name__ for addon in default_addons()} <= kinds
    assert sorted(kinds - set(UNHEARD)) == sorted(HEARD)
    assert sorted(set(UNHEARD) - kinds) == []


@pytest.mark.parametrize("name", sorted(DECISIONS))
def test_a_decision_has_its_reason(name: str) -> None:
    decision = DECISIONS[name]
    assert decision.why
    assert decision.how == "fixed" or decision.value is None


@pytest.mark.parametrize(
    ("name", "given", "default", "expected"),
    [
        ("proxy_debug", True, False, False),  # fixed
        ("connection_strategy", "eager", "eager", "lazy"),
        ("ssl_insecure", True, False, False),  # ignored: the default
        ("modify_headers", ["/~q/a/b"], [], []),
        ("intercept", "~q", None, "~q"),  # followed
        ("brought_by_a_later_mitmproxy", True, False, False),
    ],
)
def test_what_our_connections_see(name: str, given: object, default: object, expected: object) -> None:
    assert value(name, given, default) == expected


@pytest.mark.parametrize(
    ("name", "given", "default", "said"),
    [
        ("ssl_insecure", True, False, "ssl_insecure is not followed on the Codex listener: the backend's certificate"),
        ("ssl_insecure", False, False, ""),
        ("connection_strategy", "eager", "eager", ""),  # nobody set it
        ("http2", False, True, ""),  # as ours
        ("block_list", ["/x/404"], [], "block_list is followed on the Codex listener as well: "),
        ("intercept", "~q", None, ""),
        ("mode", ["reverse:https://chatgpt.com"], ["regular"], ""),
        ("codex_patch", "store", "full", ""),
    ],
)
def test_what_the_start_says(name: str, given: object, default: object, said: str) -> None:
    told = remark(name, given, default)
    assert told.startswith(said)
    assert bool(told) == bool(said)


@pytest.mark.parametrize(
    ("addon", "hook", "heard"),
    [
        ("UpstreamAuth", "requestheaders", False),
        ("TlsConfig", "tls_start_server", False),
        ("TlsConfig", "tls_start_client", True),
        ("Save", "response", True),
        ("SomethingNew", "request", True),
    ],
)
def test_who_hears_of_our_connections(addon: str, hook: str, heard: bool) -> None:
    assert is_heard(addon, hook) is heard
